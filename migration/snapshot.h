// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A snapshot on disk, opened and checked: its state, its memory file and those of the snapshots
// that it lies on.
#ifndef FIRN_MIGRATION_SNAPSHOT_H_
#define FIRN_MIGRATION_SNAPSHOT_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "migration/file.h"
#include "migration/manifest.pb.h"
#include "migration/memory_file.h"
#include "migration/snapshot_paths.h"
#include "migration/state_file.h"

namespace firn {

inline constexpr size_t kMaximumChain = 16;

// One memory file of a chain.
struct SnapshotLayer {
  SnapshotPaths paths;
  SnapshotId id;
  MemoryIndex index;
  File memory;
};

class Snapshot {
 public:
  // A folder with `state` and `memory`, or a state file; `memory_path` names the memory file where
  // it is not the one that the manifest names. Everything is checked but the content of the memory
  // files, which is not read. Errors name the file: DataLoss (damage), FailedPrecondition (another
  // format or architecture), those of open.
  static absl::StatusOr<std::unique_ptr<Snapshot>> Open(
      FileCalls& calls, const std::string& path,
      const std::optional<std::string>& memory_path = std::nullopt);

  const SnapshotId& id() const { return layers_.back().id; }
  const SnapshotPaths& paths() const { return layers_.back().paths; }
  const StateFile& state() const { return state_; }
  const state::Manifest& manifest() const { return manifest_; }
  // The content of a section; DataLoss where it is missing.
  absl::StatusOr<std::string_view> Section(std::string_view name) const;

  // From the base up; the last is this snapshot's own.
  const std::vector<SnapshotLayer>& layers() const { return layers_; }
  const std::vector<GuestRange>& regions() const { return layers_.back().index.regions; }
  // The pages that some layer has: all others are zero.
  PageSet StoredPages() const;

 private:
  Snapshot() = default;

  StateFile state_;
  state::Manifest manifest_;
  std::vector<SnapshotLayer> layers_;
};

// The state file that `path` (a folder or a file) means.
std::string StatePathOf(const std::string& path);

}  // namespace firn

#endif  // FIRN_MIGRATION_SNAPSHOT_H_
