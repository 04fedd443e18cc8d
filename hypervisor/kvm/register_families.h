// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The families of registers in KVM_GET_REG_LIST.
// Source: Linux Documentation/virt/kvm/api.rst section 4.68.
#ifndef FIRN_HYPERVISOR_KVM_REGISTER_FAMILIES_H_
#define FIRN_HYPERVISOR_KVM_REGISTER_FAMILIES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace firn::kvm {

// FailedPrecondition, naming the register, for an id that is not of arm64, of a family that firn
// does not know, or wider than a register can be.
absl::Status CheckRegisterFamilies(absl::Span<const uint64_t> ids);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_REGISTER_FAMILIES_H_
