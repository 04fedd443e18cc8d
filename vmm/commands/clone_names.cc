// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/clone_names.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace firn {
namespace {

absl::Status CheckName(std::string_view flag, std::string_view path) {
  if (absl::StrContains(path, kCloneNumber)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("all clones would write ", path, ": give --", flag,
                                                 " a name with ", kCloneNumber,
                                                 ", which becomes the number of the clone"));
}

}  // namespace

absl::Status CheckClonesAreApart(const VmConfig& config, const RunOptions& options) {
  absl::Status status;
  for (const DriveConfig& drive : config.drives) {
    if (!drive.is_read_only) status.Update(CheckName("disk", drive.path_on_host));
  }
  if (config.console.output == ConsoleConfig::Output::kFile) {
    status.Update(CheckName("console", config.console.path));
  }
  if (options.stats_path) status.Update(CheckName("stats", *options.stats_path));
  if (options.api_sock) status.Update(CheckName("api-sock", *options.api_sock));
  for (const SaveAt& save : options.saves) status.Update(CheckName("save-at", save.folder));
  return status;
}

void NameClone(uint64_t number, VmConfig& config, RunOptions& options) {
  const auto name = [number](std::string& path) {
    path = absl::StrReplaceAll(path, {{kCloneNumber, absl::StrCat(number)}});
  };
  for (DriveConfig& drive : config.drives) name(drive.path_on_host);
  name(config.console.path);
  if (options.stats_path) name(*options.stats_path);
  if (options.api_sock) name(*options.api_sock);
  for (SaveAt& save : options.saves) name(save.folder);
  if (config.software.seed) *config.software.seed += number - 1;
}

}  // namespace firn
