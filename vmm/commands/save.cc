// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/base/progress_line.h"
#include "vmm/commands/api_call.h"
#include "vmm/commands/command.h"
#include "vmm/commands/snapshot_folder.h"
#include "vmm/config/json.h"

namespace firn {
namespace {

constexpr FlagSpec kSaveFlags[] = {
    {"incremental", "", "only what has changed since the last save"},
    kHelpFlag,
};

absl::StatusOr<std::string> Body(const SnapshotFolder& folder, bool is_incremental) {
  using nlohmann::json;
  const json body = {{"snapshot_type", is_incremental ? "Diff" : "Full"},
                     {"snapshot_path", folder.File("state")},
                     {"mem_file_path", folder.File("memory")}};
  const std::string text =
      body.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
  const absl::StatusOr<json> read_back = ParseJson(text);
  if (!read_back.ok() || *read_back != body) {
    return absl::InvalidArgumentError("the path of DIR is not UTF-8, which the API needs");
  }
  return text;
}

absl::Status Save(std::string_view socket, std::string_view path, bool is_incremental) {
  const absl::StatusOr<SnapshotFolder> folder = SnapshotFolder::Make(path);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::string> body = Body(*folder, is_incremental);
  absl::Status status = body.status();
  if (status.ok()) {
    const ElapsedLine line("saving");
    // However large the guest is and slow the disk.
    status =
        CallApi(socket, {.method = "PUT", .target = "/snapshot/create", .body = *std::move(body)},
                absl::InfiniteDuration());
  }
  if (!status.ok()) folder->Drop();
  return status;
}

}  // namespace

std::string SaveHelp() {
  return absl::StrCat(
      "Usage: firn save SOCK DIR [--incremental]\n\n"
      "Saves a virtual machine, running or paused, to DIR/state and DIR/memory, and leaves it as\n"
      "it was. SOCK is the --api-sock of its firn run. DIR is made where it is not there.\n\n",
      FlagsHelp(kSaveFlags),
      "\nExamples:\n"
      "  firn save vm.sock snapshot\n"
      "  firn save vm.sock snapshot --incremental\n");
}

int SaveCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  const absl::StatusOr<Flags> flags = Flags::Parse(kSaveFlags, arguments, {kSocketOperand, "DIR"});
  if (!flags.ok()) return UsageError("save", flags.status().message());
  const absl::Status status = Save(flags->operand(0), flags->operand(1), flags->Has("incremental"));
  if (status.ok()) return kExitPowerOff;
  PrintError(status);
  return kExitError;
}

}  // namespace firn
