// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/file_uses.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace firn {
namespace {

bool IsSameFile(const std::string& one, const std::string& other) {
  struct stat first = {}, second = {};
  const bool has_first = stat(one.c_str(), &first) == 0;
  const bool has_second = stat(other.c_str(), &second) == 0;
  if (has_first != has_second) return false;
  if (has_first) {
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino &&
           (S_ISREG(first.st_mode) || S_ISBLK(first.st_mode));
  }
  // Neither is there yet.
  std::error_code error;
  const std::filesystem::path path = std::filesystem::weakly_canonical(one, error);
  return !error && path == std::filesystem::weakly_canonical(other, error) && !error;
}

}  // namespace

std::vector<FileUse> InputsOf(const VmConfig& config) {
  std::vector<FileUse> uses = {{"the kernel", config.boot_source.kernel_image_path}};
  if (config.boot_source.initrd_path)
    uses.push_back({"the initrd", *config.boot_source.initrd_path});
  for (const DriveConfig& drive : config.drives) uses.push_back({"a disk", drive.path_on_host});
  return uses;
}

std::vector<FileUse> OutputsOf(const VmConfig& config) {
  if (config.console.output != ConsoleConfig::Output::kFile) return {};
  return {{"--console", config.console.path}};
}

absl::Status CheckFilesAreApart(const std::vector<FileUse>& inputs,
                                const std::vector<FileUse>& outputs) {
  for (auto output = outputs.begin(); output != outputs.end(); ++output) {
    for (const FileUse& input : inputs) {
      if (!IsSameFile(output->path, input.path)) continue;
      return absl::InvalidArgumentError(absl::StrCat(output->what, " ", output->path,
                                                     " would overwrite ", input.what, ", ",
                                                     input.path, "; name another file"));
    }
    for (auto other = outputs.begin(); other != output; ++other) {
      if (!IsSameFile(output->path, other->path)) continue;
      return absl::InvalidArgumentError(absl::StrCat(output->what, " and ", other->what,
                                                     " are the same file, ", output->path,
                                                     "; name another for one of them"));
    }
  }
  return absl::OkStatus();
}

}  // namespace firn
