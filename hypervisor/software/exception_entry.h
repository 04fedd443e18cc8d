// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Taking an exception to EL1: Unicorn leaves that to its user (ERET it does itself).
#ifndef FIRN_HYPERVISOR_SOFTWARE_EXCEPTION_ENTRY_H_
#define FIRN_HYPERVISOR_SOFTWARE_EXCEPTION_ENTRY_H_

#include <cstdint>
#include <optional>

#include "hypervisor/software/engine_cpu.h"

namespace firn::software {

// Offsets in the vector table, for an exception from the current level.
enum class Vector : uint64_t { kSynchronous = 0x000, kIrq = 0x080 };

struct ExceptionToEl1 {
  Vector vector = Vector::kSynchronous;
  uint64_t return_address = 0;
  std::optional<uint32_t> esr = {};
  std::optional<uint64_t> far = {};
};

// Enters the handler at VBAR_EL1 as AArch64.TakeException of the Arm ARM (DDI 0487) J1.1.
void TakeException(EngineCpu& cpu, const ExceptionToEl1& exception);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_EXCEPTION_ENTRY_H_
