// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The software hypervisor: an arm64 machine with a GICv5 and KVM's VGICv5 interface, executed by
// the Unicorn engine (GPL-2) on any Linux host.
#ifndef FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_HYPERVISOR_H_
#define FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_HYPERVISOR_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/software/gicv5/dialect.h"

namespace firn::software {

struct SoftwareOptions {
  enum class Clock {
    kVirtual,  // the counter advances with executed instructions, idle time is skipped
    kReal,     // the counter is the host's monotonic clock, idle vCPUs sleep
  };
  Clock clock = Clock::kVirtual;

  // The VGICv5 user-space interface that the machine offers.
  gicv5::Dialect dialect = gicv5::Dialect::kMerged;

  // Every vCPU's Run returns InstructionLimitExit once the vCPUs have executed this many
  // instructions together (at the first block boundary at or behind it).
  std::optional<uint64_t> stop_at = {};
};

// Opens the backend. Errors: FailedPrecondition, naming the version, where the installed Unicorn
// does not fit (too old, or its exception record is not where calibration looks for it).
absl::StatusOr<std::unique_ptr<Hypervisor>> CreateSoftwareHypervisor(
    const SoftwareOptions& options = {});

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_HYPERVISOR_H_
