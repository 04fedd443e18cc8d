// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/memory_load.h"

namespace firn {

absl::Status LoadMemory(const Snapshot& snapshot, MemoryLoad mode, GuestMemory& memory,
                        const Progress& progress) {
  bool is_base = true;
  for (const SnapshotLayer& layer : snapshot.layers()) {
    const bool map = is_base && mode == MemoryLoad::kMapped;
    absl::Status status = map ? memory.MapFile(layer.memory.fd(), 0)
                              : ReadMemory(layer.memory, layer.index, memory, progress);
    if (!status.ok()) return status;
    is_base = false;
  }
  return absl::OkStatus();
}

}  // namespace firn
