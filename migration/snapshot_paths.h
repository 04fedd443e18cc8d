// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The names of a snapshot's files, those of before and during a save included
// (docs/snapshot-format.md, "Publishing").
#ifndef FIRN_MIGRATION_SNAPSHOT_PATHS_H_
#define FIRN_MIGRATION_SNAPSHOT_PATHS_H_

#include <string>
#include <string_view>

#include "migration/memory_file.h"

namespace firn {

struct SnapshotPaths {
  std::string state;
  std::string memory;

  // DIR/state and DIR/memory.
  static SnapshotPaths InFolder(std::string_view folder);
};

// The folder part of `path` ("." where it has none), and its last part.
std::string FolderOf(std::string_view path);
std::string NameOf(std::string_view path);

// `path` of a file that belongs to snapshot `id` while it is not in its place.
std::string WithId(std::string_view path, const SnapshotId& id);

// Whether `name` is one that WithId makes of a file called `base`.
bool HasIdOf(std::string_view name, std::string_view base);

// `to`, as seen from the folder `from`: relative, so that both can move together. Either may be
// absolute, or relative to the folder of this process.
std::string RelativeTo(std::string_view from, std::string_view to);
// The reverse: `path` as it is, if absolute, or else below `folder`.
std::string Below(std::string_view folder, std::string_view path);

}  // namespace firn

#endif  // FIRN_MIGRATION_SNAPSHOT_PATHS_H_
