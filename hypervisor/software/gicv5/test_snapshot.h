// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Save and restore of a TestVm through its attributes, in steps that a test can reorder
// (gicv5-reference 7.2).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_TEST_SNAPSHOT_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_TEST_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/span.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {

struct TestSnapshot {
  SavedIst ist;
  std::map<uint64_t, uint64_t> irs;                              // by offset
  std::map<uint32_t, std::map<uint16_t, uint64_t>> cpu_sysregs;  // by vCPU id and encoding
  std::vector<std::byte> ram;
};

// S2 to S6 of the reference; the VM is stopped. A test failure where a call fails.
TestSnapshot SaveSnapshot(TestVm& vm);

enum class RestoreStep {
  kMemory,       // R7
  kCpuSysregs,   // R8
  kIdRegisters,  // R9
  kIstCfgr,      // R10
  kIstBaser,     // R11
  kIst,          // R12
  kOtherIrs,     // R13
  kSpiLoop,      // R13, for series v1: SPI_SELR and SPI_CFGR of every SPI
};

inline constexpr RestoreStep kRestoreOrder[] = {
    RestoreStep::kMemory,  RestoreStep::kCpuSysregs, RestoreStep::kIdRegisters,
    RestoreStep::kIstCfgr, RestoreStep::kIstBaser,   RestoreStep::kIst,
    RestoreStep::kSpiLoop, RestoreStep::kOtherIrs,
};

// Does `steps` in order on an initialised VM that has not run. The first errno, or 0.
int RestoreSnapshot(TestVm& vm, const TestSnapshot& snapshot,
                    absl::Span<const RestoreStep> steps = kRestoreOrder);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_TEST_SNAPSHOT_H_
