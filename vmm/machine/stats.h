// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What `firn run --stats` writes: the cost of a run, counted.
#ifndef FIRN_VMM_MACHINE_STATS_H_
#define FIRN_VMM_MACHINE_STATS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "arch-aarch64/vcpu_position.h"
#include "devices/device_stats.h"
#include "devices/mmio_bus.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/vcpu.h"
#include "vmm/base/timeline.h"
#include "vmm/machine/vcpu_thread.h"

namespace firn {

struct VcpuRunStats {
  VcpuStats counts;
  ExitCounts exits;
  std::vector<NamedRegister> position;  // at the end of the last machine
};

struct DeviceRunStats {
  std::string name;
  DeviceStats counts;
};

// How the memory of a snapshot came into a machine.
struct RestoreStats {
  std::string memory_load;  // mapped, eager, demand
  bool fell_back = false;   // from demand
  // demand: as in DemandStats
  uint64_t faults = 0;
  uint64_t pages_copied = 0;
  uint64_t pages_zeroed = 0;
  uint64_t pages_prefetched = 0;  // mapped too
  uint64_t reads = 0;
  uint64_t bytes_read = 0;
  // Of the whole process, until the machine ended.
  uint64_t minor_faults = 0;
  uint64_t major_faults = 0;
};

// Of one machine; Add sums machines up over reboots, element by element.
struct MachineStats {
  std::vector<VcpuRunStats> vcpus;  // by id
  std::vector<MmioAccessCounts> mmio;
  uint64_t unmapped_reads = 0;
  uint64_t unmapped_writes = 0;
  std::vector<DeviceRunStats> devices;
  uint64_t guest_memory_bytes = 0;           // of the last machine
  uint64_t guest_memory_resident_bytes = 0;  // likewise
  std::optional<RestoreStats> restore;       // of the first machine, if it was restored

  void Add(const MachineStats& other);
};

struct RunStats {
  std::string hypervisor;
  std::string interrupt_controller;
  bool is_deterministic = false;
  std::string outcome;
  int exit_status = 0;
  uint64_t reboots = 0;
  MachineStats machines;
  std::vector<Milestone> timeline;
  Milestone end;
  uint64_t host_resident_bytes = 0;  // of this process, guest memory included
  uint64_t host_peak_bytes = 0;
};

// The bytes of `memory` that have host pages (mincore). Errors keep errno.
absl::StatusOr<uint64_t> ResidentBytes(const GuestMemory& memory);

// Fills the members about this process (/proc/self/status); zero where that cannot be read.
void ReadHostMemory(RunStats& stats);

// JSON, with a newline at the end. Its keys are documented in vmm/README.md.
std::string StatsJson(const RunStats& stats);

// Writes `text` beside `path` and renames: there is the whole file or the former one. The file
// beside is removed on failure. Errors name the path and keep errno.
absl::Status WriteFileAtomically(const std::string& path, std::string_view text);

// What can be said before the run: the error that WriteFileAtomically would meet in its folder.
absl::Status CheckFileCanBeWritten(const std::string& path);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_STATS_H_
