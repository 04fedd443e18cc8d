// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/snapshot_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "hypervisor/errno_status.h"

namespace firn {

absl::StatusOr<SnapshotFolder> SnapshotFolder::Make(std::string_view path) {
  if (path.empty()) return absl::InvalidArgumentError("DIR is empty");
  std::error_code error;
  SnapshotFolder folder;
  folder.path_ = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) return ErrnoStatus(error.value(), "the current folder");
  if (mkdir(folder.path_.c_str(), 0700) == 0) {
    folder.is_new_ = true;
    return folder;
  }
  const int mkdir_error = errno;
  struct stat stat = {};
  if (mkdir_error == EEXIST && ::stat(folder.path_.c_str(), &stat) == 0) {
    if (S_ISDIR(stat.st_mode)) return folder;
    return absl::AlreadyExistsError(absl::StrCat(folder.path_, ": a file of this name is there"));
  }
  return ErrnoStatus(mkdir_error, absl::StrCat("mkdir ", folder.path_));
}

void SnapshotFolder::Drop() const {
  if (is_new_) rmdir(path_.c_str());
}

}  // namespace firn
