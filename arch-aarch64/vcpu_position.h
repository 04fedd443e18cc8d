// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Where a vCPU is: for whoever wonders why a guest hangs.
#ifndef FIRN_ARCH_AARCH64_VCPU_POSITION_H_
#define FIRN_ARCH_AARCH64_VCPU_POSITION_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "hypervisor/vcpu.h"

namespace firn {

struct NamedRegister {
  std::string_view name;  // of static storage
  uint64_t value = 0;
};

// PC and PSTATE, and the last exception to EL1: ELR_EL1, ESR_EL1, FAR_EL1, each by its name in
// small letters. What cannot be read is left out. Not while the vCPU runs.
std::vector<NamedRegister> ReadPosition(Vcpu& vcpu);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_VCPU_POSITION_H_
