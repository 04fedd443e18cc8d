// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The state that vCPUs start a guest in.
// Source: Linux Documentation/arch/arm64/booting.rst section 4; Documentation/virt/kvm/api.rst,
// KVM_ARM_VCPU_INIT.
#ifndef FIRN_ARCH_AARCH64_VCPU_SETUP_H_
#define FIRN_ARCH_AARCH64_VCPU_SETUP_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "arch-aarch64/vcpu_features.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vm.h"

namespace firn {

// Resets every vCPU, with PSCI 0.2 or later and `features`. The first runs; the others are off
// until the guest calls CPU_ON. Errors keep errno and name the vCPU.
absl::Status InitVcpus(Vm& vm, absl::Span<Vcpu* const> vcpus, const VcpuFeatures& features = {});

// Lets the first vCPU start the kernel at `entry`, in EL1 with interrupts masked and the MMU off,
// with the FDT's address in X0. After InitVcpus.
absl::Status SetBootRegisters(Vcpu& vcpu, GuestAddress entry, GuestAddress fdt);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_VCPU_SETUP_H_
