// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// System registers and system instructions that a CPU handles in place of the engine: ID
// registers, counter and timers; TLBI, IC.
#include "hypervisor/software/cpu.h"
#include "hypervisor/software/id_registers.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/translation.h"

namespace firn::software {
namespace {

constexpr uint64_t kCtrIdc = uint64_t{1} << 28;

// CNTKCTL_EL1: what EL0 may read.
constexpr uint64_t kEl0Pcten = 1u << 0, kEl0Vcten = 1u << 1;
constexpr uint64_t kEl0Vten = 1u << 8, kEl0Pten = 1u << 9;

bool IsTimerSpace(SystemRegister reg) {
  return reg.op0 == 3 && reg.op1 == 3 && reg.crn == 14 && reg.crm <= 3;
}

// DBGBVR<n>, DBGBCR<n>, DBGWVR<n> and DBGWCR<n>_EL1.
bool IsHardwareBreakpoint(SystemRegister reg) {
  return reg.op0 == 2 && reg.op1 == 0 && reg.crn == 0 && reg.op2 >= 4;
}

// The performance monitors, which the ID registers hide; Unicorn's count with the host's time.
bool IsPmu(SystemRegister reg) {
  if (reg.op0 != 3) return false;
  return (reg.crn == 9 && (reg.op1 == 3 || (reg.op1 == 0 && reg.crm == 14))) ||
         (reg.op1 == 3 && reg.crn == 14 && reg.crm >= 8);
}

// RNDR and RNDRRS, which the ID registers hide; Unicorn's values are the host's.
bool IsRandomNumber(SystemRegister reg) {
  return reg.op0 == 3 && reg.op1 == 3 && reg.crn == 2 && reg.crm == 4 && reg.op2 <= 1;
}

bool IsTlbi(SystemRegister reg) { return reg.op0 == 1 && reg.op1 == 0 && reg.crn == 8; }

// TLBI VAE1, VAAE1, VALE1, VAALE1.
bool IsByAddress(SystemRegister tlbi) { return (tlbi.op2 & 1) != 0; }

}  // namespace

bool Cpu::MayAccessTimer(SystemRegister reg) const {
  if (engine_cpu_->current_el() > 0) return true;
  const uint64_t control = engine_cpu_->ReadSystemRegister(reg::kCntkctlEl1);
  if (reg == reg::kCntfrqEl0) return (control & (kEl0Pcten | kEl0Vcten)) != 0;
  if (reg == reg::kCntpctEl0) return (control & kEl0Pcten) != 0;
  if (reg == reg::kCntvctEl0) return (control & kEl0Vcten) != 0;
  return (control & (reg.crm == 2 ? kEl0Pten : kEl0Vten)) != 0;
}

bool Cpu::OnMrs(SystemRegister reg, uint64_t* value) {
  if (IsTimerSpace(reg)) {
    if (!MayAccessTimer(reg)) return false;  // Unicorn traps it to EL1
    if (reg == reg::kCntfrqEl0) {
      *value = kCounterFrequency;
      return true;
    }
    SyncCount();
    if (reg.crm == 0) {
      *value = reg == reg::kCntpctEl0 ? clock_->PhysicalCounter() : clock_->Counter();
      return reg == reg::kCntpctEl0 || reg == reg::kCntvctEl0;
    }
    const bool is_virtual = reg.crm == 3;
    const Timer& timer = is_virtual ? virtual_timer_ : physical_timer_;
    const uint64_t counter = is_virtual ? clock_->Counter() : clock_->PhysicalCounter();
    switch (reg.op2) {
      case 0:
        *value = timer.ReadTval(counter);
        return true;
      case 1:
        *value = timer.ReadCtl(counter);
        return true;
      case 2:
        *value = timer.cval();
        return true;
      default:
        return false;
    }
  }
  if (IsPmu(reg)) {
    *value = 0;
    return engine_cpu_->current_el() > 0;  // at EL0 Unicorn traps it to EL1
  }
  if (IsRandomNumber(reg)) {
    *value = 0;
    return true;
  }
  if (reg == reg::kCtrEl0) {
    // Data caches need no cleaning for instruction fetches; instruction caches need IC.
    *value = engine_cpu_->ReadSystemRegister(reg) | kCtrIdc;
    return engine_cpu_->current_el() > 0;
  }
  if (!IsIdRegister(reg) || engine_cpu_->current_el() == 0) return false;
  *value = reg == reg::kMpidrEl1 ? mpidr() : IdRegisterValue(reg, bus_->gic() != nullptr);
  return true;
}

bool Cpu::OnMsr(SystemRegister reg, uint64_t value) {
  if (IsHardwareBreakpoint(reg)) {
    // A value and no more: what the engine would arm is not of one CPU, nor is it armed again where
    // the value is restored. Of those that the ID registers do not tell of, not even that.
    if (reg.crm == 0) engine_cpu_->WriteSystemRegister(reg, value);
    return true;
  }
  if (IsPmu(reg)) return engine_cpu_->current_el() > 0;
  if (reg == reg::kCpacrEl1 && (value & kCpacrZen) != 0) {
    engine_cpu_->WriteSystemRegister(reg, value);  // without ZEN
    return true;
  }
  if (!IsTimerSpace(reg) || reg.crm < 2 || reg.op2 > 2 || !MayAccessTimer(reg)) return false;
  SyncCount();
  const bool is_virtual = reg.crm == 3;
  Timer& timer = is_virtual ? virtual_timer_ : physical_timer_;
  switch (reg.op2) {
    case 0:
      timer.WriteTval(value, is_virtual ? clock_->Counter() : clock_->PhysicalCounter());
      break;
    case 1:
      timer.WriteCtl(value);
      break;
    case 2:
      timer.WriteCval(value);
      break;
  }
  UpdateInterrupts();
  PlanEvent();
  return true;
}

void Cpu::OnSys(SystemRegister reg, uint64_t operand) {
  if (IsTlbi(reg)) {
    // Those of other CPUs are dropped whenever another executes.
    if (IsByAddress(reg) && !IsInTtbr1PageTable(operand)) engine_cpu_->engine().FlushTlb();
    return;
  }
  if (reg == reg::kIcIvau) {
    if (const auto address = TranslateStage1(*engine_cpu_, *memory_, operand)) {
      if (code_pages_->Invalidate(*address)) EndSlice();
    }
  } else if (reg == reg::kIcIallu || reg == reg::kIcIalluis) {
    code_pages_->InvalidateAll();
    EndSlice();
  }
}

// Whether dropping one page of 4 KiB, as the engine does, is all that a TLBI by an address needs.
// Not so where a block may have been, which the engine has in pages, each for itself. When a block
// is invalidated its descriptor is invalid, so no table is found (Arm ARM D8.16
// "break-before-make"); but in the lower half, Linux may have put a table there before.
bool Cpu::IsInTtbr1PageTable(uint64_t operand) {
  const uint64_t address = (operand & 0x0fff'ffff'ffff) << 12;  // bits [55:12]
  return (address >> 55 & 1) != 0 && IsInPageTable(*engine_cpu_, *memory_, address);
}

void Cpu::OnTranslated(uint64_t pc, uint32_t size) {
  const uint64_t last = pc + (size > 0 ? size - 1 : 0);
  if (const auto address = TranslateStage1(*engine_cpu_, *memory_, pc)) code_pages_->Add(*address);
  if ((last ^ pc) >> 12 != 0) {
    if (const auto address = TranslateStage1(*engine_cpu_, *memory_, last))
      code_pages_->Add(*address);
  }
}

}  // namespace firn::software
