// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Save and restore of a vCPU's registers, MP state and events.
// Source: Linux Documentation/virt/kvm/api.rst, KVM_GET_REG_LIST, KVM_{GET,SET}_ONE_REG,
// KVM_{GET,SET}_MP_STATE, KVM_{GET,SET}_VCPU_EVENTS.
#ifndef FIRN_ARCH_AARCH64_VCPU_STATE_H_
#define FIRN_ARCH_AARCH64_VCPU_STATE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/vcpu_state.pb.h"
#include "hypervisor/vcpu.h"

namespace firn {

// The vCPU is out of the guest, its last exit complete. Every register of KVM_GET_REG_LIST but the
// counters, which are the VM's and are set when the vCPUs are let in, and the vector lengths of
// SVE, which are set before KVM_ARM_VCPU_FINALIZE.
absl::StatusOr<state::Vcpu> SaveVcpu(Vcpu& vcpu);

// Into a vCPU that is initialised (and finalized) with the same features and has not run.
// InvalidArgument for a state of another vCPU; errors of KVM keep errno and name the register.
absl::Status RestoreVcpu(Vcpu& vcpu, const state::Vcpu& state);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_VCPU_STATE_H_
