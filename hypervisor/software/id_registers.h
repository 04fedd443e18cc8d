// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The ID registers that a guest reads: what Unicorn's CPU can do, less what firn hides.
#ifndef FIRN_HYPERVISOR_SOFTWARE_ID_REGISTERS_H_
#define FIRN_HYPERVISOR_SOFTWARE_ID_REGISTERS_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "hypervisor/register_id.h"

namespace firn::software {

struct IdRegister {
  SystemRegister reg;
  uint64_t value;
};

// Every ID register with a value other than 0; MPIDR_EL1, a vCPU's own, is not among them.
absl::Span<const IdRegister> IdRegisters();

// True for op0 3, op1 0, CRn 0: the space of MIDR_EL1 and ID_*.
constexpr bool IsIdRegister(SystemRegister reg) {
  return reg.op0 == 3 && reg.op1 == 0 && reg.crn == 0;
}

// The value of an ID register; those that are reserved or not listed are 0. `has_gicv5` puts
// the GICv5 CPU interface into ID_AA64PFR2_EL1.
uint64_t IdRegisterValue(SystemRegister reg, bool has_gicv5);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_ID_REGISTERS_H_
