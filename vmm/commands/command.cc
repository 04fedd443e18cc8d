// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/command.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/base/version.h"
#include "vmm/config/nearest.h"
#include "vmm/hypervisor_choice.h"

namespace firn {
namespace {

constexpr Command kCommands[] = {
    {"run", "run a virtual machine until it ends", &RunCommand, &RunHelp},
    {"pause", "pause a running virtual machine", &PauseCommand, &PauseHelp},
    {"resume", "let a paused virtual machine run on", &ResumeCommand, &ResumeHelp},
    {"save", "save a virtual machine to a folder", &SaveCommand, &SaveHelp},
    {"restore", "go on where a snapshot was made", &RestoreCommand, &RestoreHelp},
    {"inspect", "show a snapshot as text", &InspectCommand, &InspectHelp},
    {"verify", "check a snapshot", &VerifyCommand, &VerifyHelp},
    {"compact", "fold a chain of incremental snapshots into one", &CompactCommand, &CompactHelp},
    {"fdt", "print the device tree of a configuration", &FdtCommand, &FdtHelp},
    {"doctor", "say what this machine can do", &DoctorCommand, &DoctorHelp},
    {"help", "show help, also of one command", &HelpCommand, &HelpHelp},
};

const Command* Find(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string Overview() {
  std::string text =
      "firn runs arm64 Linux guests in microVMs, on KVM or in software.\n\n"
      "Usage: firn COMMAND [FLAGS]\n\n"
      "Commands:\n";
  for (const Command& command : kCommands) {
    std::string column = absl::StrCat("  ", command.name);
    column.resize(12, ' ');
    absl::StrAppend(&text, column, command.summary, "\n");
  }
  absl::StrAppend(&text,
                  "\n"
                  "  --help    this text; firn COMMAND --help says more\n"
                  "  --version\n\n"
                  "Examples:\n"
                  "  firn doctor\n"
                  "  firn run --kernel Image --initrd initramfs.cpio --memory 256M --cpus 2\n\n",
                  kExitStatusHelp);
  return text;
}

std::string Version() {
  return absl::StrCat("firn ", kVersion, "\nsoftware hypervisor: ",
                      HasSoftwareHypervisor() ? "built in (with Unicorn, GPL-2)" : "not built in",
                      "\n");
}

int UnknownCommand(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  return UsageError("", absl::StrCat("unknown command `", name, "`", DidYouMean(name, names)));
}

}  // namespace

absl::Span<const Command> Commands() { return kCommands; }

int UsageError(std::string_view command, std::string_view message) {
  PrintError(message);
  PrintError(absl::StrCat("see firn ", command, command.empty() ? "" : " ", "--help"));
  return kExitUsage;
}

int PrintOutput(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      PrintError(ErrnoStatus(errno, "write to stdout"));
      return kExitError;
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  return kExitPowerOff;
}

std::string HelpHelp() { return "Usage: firn help [COMMAND]\n"; }

int HelpCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  if (arguments.empty()) return PrintOutput(Overview());
  if (arguments.size() > 1) return UsageError("help", "help takes one command");
  if (arguments[0] == "--help") return PrintOutput(HelpHelp());
  const Command* command = Find(arguments[0]);
  if (command == nullptr) return UnknownCommand(arguments[0]);
  return PrintOutput(command->help());
}

int Dispatch(absl::Span<const std::string_view> arguments, Timeline& timeline) {
  if (arguments.empty()) {
    PrintError("no command given");
    return UsageError("", "usage: firn COMMAND [FLAGS]");
  }
  const std::string_view name = arguments[0];
  const absl::Span<const std::string_view> rest = arguments.subspan(1);
  if (name == "--help" || name == "-h") return PrintOutput(Overview());
  if (name == "--version" || name == "-V") return PrintOutput(Version());
  const Command* command = Find(name);
  if (command == nullptr) return UnknownCommand(name);
  if (std::find(rest.begin(), rest.end(), "--help") != rest.end()) {
    return PrintOutput(command->help());
  }
  return command->run(rest, timeline);
}

}  // namespace firn
