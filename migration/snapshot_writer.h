// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Writes a snapshot beside what is there, and puts it in its place whole or not at all
// (docs/snapshot-format.md, "Publishing").
#ifndef FIRN_MIGRATION_SNAPSHOT_WRITER_H_
#define FIRN_MIGRATION_SNAPSHOT_WRITER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "migration/file.h"
#include "migration/snapshot_paths.h"
#include "migration/state_file.h"

namespace firn {

class SnapshotWriter {
 public:
  // Makes the empty files. Removes what a killed save of the same names left. Errors keep errno.
  static absl::StatusOr<std::unique_ptr<SnapshotWriter>> Begin(FileCalls& calls,
                                                               const SnapshotPaths& paths,
                                                               const SnapshotId& id);
  // Removes the files, unless they are published.
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  const SnapshotId& id() const { return id_; }
  const SnapshotPaths& paths() const { return paths_; }
  File& memory() { return memory_; }

  // Writes and syncs the state, syncs the memory, and publishes both. After an error the snapshot
  // of before is whole, in its place; after OK the new one is. But where the last sync fails that a
  // snapshot needs to outlast a power failure, the error says that the new one is there.
  absl::Status Publish(const StateFile& state);

  uint64_t state_bytes() const { return state_bytes_; }

 private:
  SnapshotWriter(FileCalls& calls, SnapshotPaths paths, const SnapshotId& id, File memory,
                 File state);
  absl::Status Rename(const std::string& from, const std::string& to);
  absl::Status SyncFolder(const std::string& folder);

  FileCalls& calls_;
  const SnapshotPaths paths_;
  const SnapshotId id_;
  File memory_;
  File state_;
  bool published_ = false;
  uint64_t state_bytes_ = 0;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_SNAPSHOT_WRITER_H_
