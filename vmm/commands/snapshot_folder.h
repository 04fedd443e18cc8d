// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The folder that a command writes a snapshot to.
#ifndef FIRN_VMM_COMMANDS_SNAPSHOT_FOLDER_H_
#define FIRN_VMM_COMMANDS_SNAPSHOT_FOLDER_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace firn {

// Guest memory goes there, so a folder that is made is its owner's alone.
class SnapshotFolder {
 public:
  // Makes the folder where it is not there. The path is made absolute, as another firn, which may
  // run in another folder, may have to find it. AlreadyExists for a file; errno of mkdir.
  static absl::StatusOr<SnapshotFolder> Make(std::string_view path);

  std::string File(std::string_view name) const { return absl::StrCat(path_, "/", name); }

  // For a save that failed: nothing is left of a folder that was made for it and is empty.
  void Drop() const;

 private:
  std::string path_;
  bool is_new_ = false;
};

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_SNAPSHOT_FOLDER_H_
