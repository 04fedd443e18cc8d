// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Optional features of the vCPUs: what the host has, and switching it on.
// Source: Linux Documentation/virt/kvm/api.rst, KVM_ARM_VCPU_INIT and KVM_ARM_VCPU_FINALIZE;
// Documentation/virt/kvm/devices/vcpu.rst section 1.
#ifndef FIRN_ARCH_AARCH64_VCPU_FEATURES_H_
#define FIRN_ARCH_AARCH64_VCPU_FEATURES_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "arch-aarch64/interrupt_controller.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vm.h"

namespace firn {

// KVM_REG_ARM64_SVE_VLS: bit n stands for a vector of n + 1 times 128 bits.
using SveVectorLengths = std::array<uint64_t, 8>;

// The same for all vCPUs of a VM, as KVM wants it.
struct VcpuFeatures {
  bool pauth = false;  // FEAT_PAuth: address and generic keys
  bool sve = false;    // FEAT_SVE
  bool pmu = false;    // FEAT_PMUv3
  // With sve: what the guest shall have. None: all that the host has.
  std::optional<SveVectorLengths> sve_vector_lengths = {};

  // Bits of kvm::VcpuInit::features[0].
  uint32_t InitBits() const;
};

// All that the host of `vm` has.
VcpuFeatures ProbeVcpuFeatures(const Vm& vm);

// KVM_ARM_VCPU_FINALIZE of a vCPU that is initialised with `features`. Errors keep errno;
// FailedPrecondition for SVE without a vector length.
absl::Status FinalizeVcpu(Vcpu& vcpu, const VcpuFeatures& features);

// Gives each vCPU its PMU and that its interrupt. After the controller's Init.
absl::Status InitPmu(absl::Span<Vcpu* const> vcpus, const InterruptController& controller);

// The PMU's overflow interrupt, a PPI in the base system architecture's numbering.
inline constexpr uint32_t kPmuIntid = 23;

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_VCPU_FEATURES_H_
