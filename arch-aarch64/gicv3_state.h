// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Reads and writes the registers of a GICv3 as messages, by the tables of gicv3_registers.h.
#ifndef FIRN_ARCH_AARCH64_GICV3_STATE_H_
#define FIRN_ARCH_AARCH64_GICV3_STATE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/gicv3_registers.h"
#include "arch-aarch64/gicv3_state.pb.h"
#include "hypervisor/device.h"

namespace firn {

// What the state is of.
struct Gicv3Devices {
  Device* gic = nullptr;
  Device* its = nullptr;  // none: the guest has no ITS
  uint32_t spi_count = 0;
  std::vector<uint32_t> vcpu_ids;  // in the order of the devicetree
};

// Errors of KVM keep errno and name register and vCPU.
absl::StatusOr<state::Gicv3> SaveGicv3Registers(const Gicv3Devices& devices);

// Sees that `state`, which may hold anything, is one of a GICv3 with these devices, and that this
// host's has the same read-only registers. Writes nothing. InvalidArgument for a state that is
// broken or of another VM, FailedPrecondition for another host; both name the register and the
// values.
absl::Status CheckGicv3Registers(const Gicv3Devices& devices, const state::Gicv3& state);

// Writes the registers of one phase. `state` has passed the check. Where KVM refuses one the
// devices are half restored, and only good to be taken away.
absl::Status RestoreGicv3Registers(const Gicv3Devices& devices, const state::Gicv3& state,
                                   Gicv3Phase phase);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV3_STATE_H_
