// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The counters of a VM, by which all its vCPUs tell time. Registers of any one of these give them:
// KVM_REG_ARM_TIMER_CNT and KVM_REG_ARM_PTIMER_CNT (Documentation/virt/kvm/api.rst).
#ifndef FIRN_ARCH_AARCH64_GUEST_COUNTERS_H_
#define FIRN_ARCH_AARCH64_GUEST_COUNTERS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/vcpu.h"

namespace firn {

// In ticks of CNTFRQ_EL0.
struct GuestCounters {
  uint64_t virtual_count = 0;  // CNTVCT_EL0
  // CNTPCT_EL0. None where the guest has the host's: KVM before Linux 6.4.
  std::optional<uint64_t> physical_count;

  bool operator==(const GuestCounters&) const = default;
};

// Thread rules of both: no vCPU of the VM is in Run.
//
// Errors: those of KVM_GET_ONE_REG.
absl::StatusOr<GuestCounters> ReadGuestCounters(Vcpu& vcpu);
// Lets the counters go on from there. A physical one that is none stays as it is. (KVM traps the
// physical counter and timer from then on, on hosts without CNTPOFF_EL2.) Errors: those of
// KVM_SET_ONE_REG; ENOENT for a physical counter on a host that has no such register.
absl::Status SetGuestCounters(Vcpu& vcpu, const GuestCounters& counters);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GUEST_COUNTERS_H_
