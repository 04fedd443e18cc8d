// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The subcommands of firn: one file each, and a table of them.
#ifndef FIRN_VMM_COMMANDS_COMMAND_H_
#define FIRN_VMM_COMMANDS_COMMAND_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "vmm/base/timeline.h"
#include "vmm/config/flags.h"

namespace firn {

struct Command {
  std::string_view name;
  std::string_view summary;  // one line
  // Arguments behind the subcommand's name; returns the exit status. `timeline` began with main.
  int (*run)(absl::Span<const std::string_view> arguments, Timeline& timeline);
  std::string (*help)();
};

int RunCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string RunHelp();
int FdtCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string FdtHelp();
int PauseCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string PauseHelp();
int ResumeCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string ResumeHelp();
int SaveCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string SaveHelp();
int RestoreCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string RestoreHelp();
int InspectCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string InspectHelp();
int VerifyCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string VerifyHelp();
int CompactCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string CompactHelp();
int DoctorCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string DoctorHelp();
int HelpCommand(absl::Span<const std::string_view> arguments, Timeline& timeline);
std::string HelpHelp();

// In the order of --help.
absl::Span<const Command> Commands();

// `arguments` is the command line without the program's name. Returns the exit status.
int Dispatch(absl::Span<const std::string_view> arguments, Timeline& timeline);

// What every subcommand takes.
inline constexpr FlagSpec kHelpFlag = {"help", "", "show this help"};

// Says what is wrong with the command line, and where its help is. Returns kExitUsage.
int UsageError(std::string_view command, std::string_view message);

// Writes to stdout. Returns kExitPowerOff, or kExitError (with a message) where that fails.
int PrintOutput(std::string_view text);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_COMMAND_H_
