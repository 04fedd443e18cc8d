// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/exception_entry.h"

#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

constexpr uint32_t kPstateEl1hMasked = 0x3c5;  // M = EL1h, DAIF set
constexpr uint32_t kPstatePan = 1u << 22;
constexpr uint32_t kPstateBtype = 3u << 10;
constexpr uint32_t kPstateSpSel = 1;
constexpr uint64_t kSctlrSpan = uint64_t{1} << 23;

}  // namespace

void TakeException(EngineCpu& cpu, const ExceptionToEl1& exception) {
  // Unicorn's CPU has BTI and keeps BTYPE; the guest's has not.
  const uint32_t from = cpu.pstate() & ~kPstateBtype;
  const uint64_t sp = cpu.sp();
  const bool from_el0 = (from >> 2 & 3) == 0;
  const bool uses_sp_el1 = !from_el0 && (from & kPstateSpSel) != 0;

  uint32_t pstate = kPstateEl1hMasked | (from & kPstatePan);
  if ((cpu.ReadSystemRegister(reg::kSctlrEl1) & kSctlrSpan) == 0) pstate |= kPstatePan;

  if (!uses_sp_el1) {
    cpu.SetBankedSpEl0(sp);
    const uint64_t sp_el1 = cpu.banked_sp_el1();
    cpu.SetPstate(pstate);
    cpu.SetSp(sp_el1);
  } else {
    cpu.SetPstate(pstate);
  }
  if (exception.esr) cpu.WriteSystemRegister(reg::kEsrEl1, *exception.esr);
  if (exception.far) cpu.WriteSystemRegister(reg::kFarEl1, *exception.far);
  cpu.WriteSystemRegister(reg::kElrEl1, exception.return_address);
  // Last of the system registers: this write makes Unicorn see the new PSTATE.
  cpu.WriteSystemRegister(reg::kSpsrEl1, from);

  const uint64_t level_offset = from_el0 ? 0x400 : uses_sp_el1 ? 0x200 : 0;
  cpu.SetPc(cpu.ReadSystemRegister(reg::kVbarEl1) + level_offset +
            static_cast<uint64_t>(exception.vector));
}

}  // namespace firn::software
