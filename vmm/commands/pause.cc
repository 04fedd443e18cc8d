// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// firn pause and firn resume.
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/commands/api_call.h"
#include "vmm/commands/command.h"

namespace firn {
namespace {

// Above what a pause takes at most (Machine::Pause).
constexpr absl::Duration kLimit = absl::Seconds(30);

int SetState(std::string_view command, absl::Span<const std::string_view> arguments,
             std::string_view state) {
  const absl::StatusOr<Flags> flags = Flags::Parse({kHelpFlag}, arguments, {kSocketOperand});
  if (!flags.ok()) return UsageError(command, flags.status().message());
  const absl::Status status = CallApi(
      flags->operand(0),
      {.method = "PATCH", .target = "/vm", .body = absl::StrCat(R"({"state": ")", state, R"("})")},
      kLimit);
  if (status.ok()) return kExitPowerOff;
  PrintError(status);
  return kExitError;
}

}  // namespace

std::string PauseHelp() {
  return absl::StrCat(
      "Usage: firn pause SOCK\n\n"
      "Takes the vCPUs of a running virtual machine out of the guest, until firn resume. SOCK is\n"
      "the --api-sock of its firn run. Pausing what is paused changes nothing.\n\n",
      FlagsHelp({kHelpFlag}),
      "\nExamples:\n"
      "  firn run --kernel Image --api-sock vm.sock &\n"
      "  firn pause vm.sock\n"
      "  firn resume vm.sock\n");
}

std::string ResumeHelp() {
  return absl::StrCat(
      "Usage: firn resume SOCK\n\n"
      "Lets a virtual machine run on that firn pause has stopped. SOCK is the --api-sock of its\n"
      "firn run. Resuming what runs changes nothing.\n\n",
      FlagsHelp({kHelpFlag}),
      "\nExamples:\n"
      "  firn resume vm.sock\n");
}

int PauseCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  return SetState("pause", arguments, "Paused");
}

int ResumeCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  return SetState("resume", arguments, "Resumed");
}

}  // namespace firn
