// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_GET_REG_LIST, KVM_GET_ONE_REG and KVM_SET_ONE_REG of a software CPU.
// Source: Linux arch/arm64/kvm/guest.c and sys_regs.c.
#ifndef FIRN_HYPERVISOR_SOFTWARE_VCPU_REGISTERS_H_
#define FIRN_HYPERVISOR_SOFTWARE_VCPU_REGISTERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hypervisor/software/cpu.h"

namespace firn::software {

// Every register that Get and Set know, in KVM's order: core, firmware, system registers.
std::vector<uint64_t> RegisterIds();

// Errors: ENOENT (unknown id), EINVAL (a size that is not the id's; Set: another value of a
// constant register).
absl::Status GetCpuRegister(Cpu& cpu, MachineClock& clock, bool has_gicv5, uint64_t id,
                            absl::Span<std::byte> value);
absl::Status SetCpuRegister(Cpu& cpu, MachineClock& clock, bool has_gicv5, uint64_t id,
                            absl::Span<const std::byte> value);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_VCPU_REGISTERS_H_
