// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a save and a restore of a machine are asked for, and tell.
#ifndef FIRN_VMM_MACHINE_MACHINE_SNAPSHOT_H_
#define FIRN_VMM_MACHINE_MACHINE_SNAPSHOT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "migration/file_calls.h"
#include "migration/memory_load.h"
#include "migration/page_set.h"
#include "migration/phases.h"
#include "migration/snapshot_paths.h"

namespace firn {

struct SaveRequest {
  FileCalls* files = &SystemFileCalls();
  SnapshotPaths paths;
  // Only the pages written since the last snapshot, as a layer on it; needs track_dirty_pages.
  bool incremental = false;
  Progress progress = nullptr;
  // For tests.
  absl::Span<const SavePhase> order = kSaveOrder;
};

struct SavedSnapshot {
  SnapshotId id = {};
  uint64_t pages = 0;         // in the memory file
  uint64_t memory_bytes = 0;  // written to it
  uint64_t state_bytes = 0;
  absl::Duration pause;  // the guest stood still; zero where it was paused before
};

struct RestoreRequest {
  MemoryLoad load = MemoryLoad::kMapped;
  // Pages of the guest to load first, in this order, before it runs (WorkingSet); not for kEager.
  std::vector<PageRun> prefetch;
  // kDemand: the file for the working set of this run; see Machine::FinishRecording. Empty: none.
  std::string record_path;
  // kHandler: the socket of the page fault handler.
  std::string fault_handler;
  // Transparent ones; not for kMapped, whose pages are the file's.
  bool huge_pages = false;
  // The random numbers of a deterministic machine go on where they were, so that it repeats what
  // the saved one went on to do. Else a restored machine has its own.
  bool keep_identity = false;
  Progress progress = nullptr;
  // For tests.
  absl::Span<const RestorePhase> order = kRestoreOrder;
};

// A hash of all guest state: that of registers, interrupts and devices, and that of memory.
struct StateHash {
  uint32_t state = 0;
  uint32_t memory = 0;
  std::string ToString() const;
};

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_MACHINE_SNAPSHOT_H_
