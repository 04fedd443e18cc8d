// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Brings the memory of a snapshot into guest memory.
#ifndef FIRN_MIGRATION_MEMORY_LOAD_H_
#define FIRN_MIGRATION_MEMORY_LOAD_H_

#include "absl/status/status.h"
#include "hypervisor/guest_memory.h"
#include "migration/snapshot.h"

namespace firn {

enum class MemoryLoad {
  // The base's file is mapped privately: nothing of it is read before the guest touches it, and all
  // clones share the page cache. What is in it is not checked.
  kMapped,
  // All is read, and its checksums are checked.
  kEager,
  // What the guest touches is read and checked then, and the rest behind it: DemandLoader.
  kDemand,
  // What the guest touches is put in place by another process: FaultHandler.
  kHandler,
};

// `mode` is kMapped or kEager. `memory` is new and has the regions of `snapshot`. The pages of
// layers are read and checked in either mode. DataLoss for a wrong checksum; errors of mmap and
// read keep errno.
absl::Status LoadMemory(const Snapshot& snapshot, MemoryLoad mode, GuestMemory& memory,
                        const Progress& progress = nullptr);

}  // namespace firn

#endif  // FIRN_MIGRATION_MEMORY_LOAD_H_
