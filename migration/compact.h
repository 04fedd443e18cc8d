// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Folds a chain of snapshots into one full snapshot, without a machine.
#ifndef FIRN_MIGRATION_COMPACT_H_
#define FIRN_MIGRATION_COMPACT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "migration/file_calls.h"
#include "migration/memory_file.h"
#include "migration/snapshot.h"
#include "migration/snapshot_paths.h"

namespace firn {

struct CompactedSnapshot {
  uint64_t pages = 0;         // in the memory file
  uint64_t memory_bytes = 0;  // written to it
};

// Writes the memory that `chain` has, and its state, to `paths` as a full snapshot `id`, which is
// other than any of the chain's; `paths` may be those of the chain's top, which is replaced then.
// All that is read is checked. After an error what was at `paths` is there, whole. Errors: DataLoss
// for a wrong checksum, Aborted where the snapshot at `paths` was replaced meanwhile, those of the
// calls with errno.
absl::StatusOr<CompactedSnapshot> Compact(FileCalls& calls, const Snapshot& chain,
                                          const SnapshotPaths& paths, const SnapshotId& id,
                                          const Progress& progress = nullptr);

}  // namespace firn

#endif  // FIRN_MIGRATION_COMPACT_H_
