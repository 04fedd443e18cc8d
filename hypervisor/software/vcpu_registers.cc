// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/vcpu_registers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/str_format.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/software/id_registers.h"
#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

using Value = std::array<std::byte, 16>;

constexpr uint32_t kPstateSpSel = 1;

// Registers that the engine holds and that have no effect beyond their value there.
constexpr SystemRegister kEngineRegisters[] = {
    reg::kMdscrEl1,
    {2, 0, 0, 0, 4} /* DBGBVR0 */,
    {2, 0, 0, 0, 5} /* DBGBCR0 */,
    {2, 0, 0, 0, 6} /* DBGWVR0 */,
    {2, 0, 0, 0, 7} /* DBGWCR0 */,
    reg::kSctlrEl1,
    reg::kCpacrEl1,
    reg::kTtbr0El1,
    reg::kTtbr1El1,
    reg::kTcrEl1,
    reg::kAfsr0El1,
    reg::kAfsr1El1,
    reg::kEsrEl1,
    reg::kFarEl1,
    reg::kParEl1,
    reg::kMairEl1,
    reg::kAmairEl1,
    reg::kVbarEl1,
    reg::kContextidrEl1,
    reg::kTpidrEl1,
    reg::kCntkctlEl1,
    reg::kCsselrEl1,
    reg::kTpidrEl0,
    reg::kTpidrroEl0,
};

constexpr uint64_t kTimerIds[] = {kvm::kTimerCtl,  kvm::kTimerCnt,  kvm::kTimerCval,
                                  kvm::kPtimerCtl, kvm::kPtimerCnt, kvm::kPtimerCval};

bool IsEngineRegister(SystemRegister reg) {
  return std::find(std::begin(kEngineRegisters), std::end(kEngineRegisters), reg) !=
         std::end(kEngineRegisters);
}

bool UsesSpEl1(const EngineCpu& cpu) {
  return cpu.current_el() > 0 && (cpu.pstate() & kPstateSpSel) != 0;
}

uint64_t GetSpEl0(const EngineCpu& cpu) { return UsesSpEl1(cpu) ? cpu.banked_sp_el0() : cpu.sp(); }
void SetSpEl0(EngineCpu& cpu, uint64_t value) {
  cpu.SetBankedSpEl0(value);
  if (!UsesSpEl1(cpu)) cpu.SetSp(value);
}
uint64_t GetSpEl1(const EngineCpu& cpu) { return UsesSpEl1(cpu) ? cpu.sp() : cpu.banked_sp_el1(); }
void SetSpEl1(EngineCpu& cpu, uint64_t value) {
  cpu.SetBankedSpEl1(value);
  if (UsesSpEl1(cpu)) cpu.SetSp(value);
}

// A change of PSTATE may change which stack pointer is in use.
void SetPstate(EngineCpu& cpu, uint32_t value) {
  const uint64_t sp_el0 = GetSpEl0(cpu), sp_el1 = GetSpEl1(cpu);
  const uint64_t spsr = cpu.ReadSystemRegister(reg::kSpsrEl1);
  cpu.SetPstate(value);
  SetSpEl0(cpu, sp_el0);
  SetSpEl1(cpu, sp_el1);
  cpu.WriteSystemRegister(reg::kSpsrEl1, spsr);  // makes Unicorn see the new PSTATE
}

// Access to core register `id`; nothing where there is none. `set` null: read.
std::optional<uint64_t> Core(EngineCpu& cpu, uint64_t id, const uint64_t* set) {
  for (unsigned n = 0; n <= 30; ++n) {
    if (id != kvm::CoreX(n)) continue;
    if (set != nullptr) cpu.SetX(n, *set);
    return cpu.X(n);
  }
  switch (id) {
    case kvm::kCoreSp:
      if (set != nullptr) SetSpEl0(cpu, *set);
      return GetSpEl0(cpu);
    case kvm::kCorePc:
      if (set != nullptr) cpu.SetPc(*set);
      return cpu.pc();
    case kvm::kCorePstate:
      if (set != nullptr) SetPstate(cpu, static_cast<uint32_t>(*set));
      return cpu.pstate();
    case kvm::kCoreSpEl1:
      if (set != nullptr) SetSpEl1(cpu, *set);
      return GetSpEl1(cpu);
    case kvm::kCoreElrEl1:
      if (set != nullptr) cpu.WriteSystemRegister(reg::kElrEl1, *set);
      return cpu.ReadSystemRegister(reg::kElrEl1);
    case kvm::CoreSpsr(0):
      if (set != nullptr) cpu.WriteSystemRegister(reg::kSpsrEl1, *set);
      return cpu.ReadSystemRegister(reg::kSpsrEl1);
    case kvm::CoreSpsr(1):
    case kvm::CoreSpsr(2):
    case kvm::CoreSpsr(3):
    case kvm::CoreSpsr(4):
      return 0;  // AArch32 modes, which these CPUs do not have
    case kvm::kCoreFpsr:
      if (set != nullptr) cpu.SetFpsr(static_cast<uint32_t>(*set));
      return cpu.fpsr();
    case kvm::kCoreFpcr:
      if (set != nullptr) cpu.SetFpcr(static_cast<uint32_t>(*set));
      return cpu.fpcr();
    default:
      return std::nullopt;
  }
}

std::optional<unsigned> VectorNumber(uint64_t id) {
  for (unsigned n = 0; n < 32; ++n) {
    if (id == kvm::CoreV(n)) return n;
  }
  return std::nullopt;
}

std::optional<uint64_t> TimerValue(Cpu& cpu, MachineClock& clock, uint64_t id,
                                   const uint64_t* set) {
  const auto control = [set](Timer& timer, uint64_t counter) {
    if (set != nullptr) timer.WriteCtl(*set);
    return timer.ReadCtl(counter);
  };
  const auto compare = [set](Timer& timer) {
    if (set != nullptr) timer.WriteCval(*set);
    return timer.cval();
  };
  switch (id) {
    case kvm::kTimerCtl:
      return control(cpu.virtual_timer(), clock.Counter());
    case kvm::kTimerCval:
      return compare(cpu.virtual_timer());
    case kvm::kPtimerCtl:
      return control(cpu.physical_timer(), clock.PhysicalCounter());
    case kvm::kPtimerCval:
      return compare(cpu.physical_timer());
    case kvm::kTimerCnt:
      if (set != nullptr) clock.SetCounter(*set);
      return clock.Counter();
    case kvm::kPtimerCnt:
      if (set != nullptr) clock.SetPhysicalCounter(*set);
      return clock.PhysicalCounter();
    default:
      return std::nullopt;
  }
}

// As KVM: what is not EL0t, EL1t or EL1h of AArch64 is refused (a snapshot may hold anything).
bool IsGuestMode(uint64_t pstate) {
  const uint64_t mode = pstate & 0x1f;
  return mode == 0 || mode == 4 || mode == 5;
}

absl::Status Error(int error_number, std::string_view call, uint64_t id) {
  return ErrnoStatus(error_number, absl::StrFormat("%s(0x%016x)", call, id));
}

std::optional<uint64_t> ConstantValue(const Cpu& cpu, bool has_gicv5, SystemRegister reg) {
  if (reg == reg::kMpidrEl1) return cpu.mpidr();
  if (IsIdRegister(reg)) return IdRegisterValue(reg, has_gicv5);
  return std::nullopt;
}

}  // namespace

std::vector<uint64_t> RegisterIds() {
  std::vector<uint64_t> ids;
  for (unsigned n = 0; n <= 30; ++n) ids.push_back(kvm::CoreX(n));
  ids.insert(ids.end(),
             {kvm::kCoreSp, kvm::kCorePc, kvm::kCorePstate, kvm::kCoreSpEl1, kvm::kCoreElrEl1});
  for (unsigned n = 0; n <= 4; ++n) ids.push_back(kvm::CoreSpsr(n));
  for (unsigned n = 0; n < 32; ++n) ids.push_back(kvm::CoreV(n));
  ids.insert(ids.end(), {kvm::kCoreFpsr, kvm::kCoreFpcr, kvm::kPsciVersion});
  ids.insert(ids.end(), std::begin(kTimerIds), std::end(kTimerIds));
  for (SystemRegister reg : kEngineRegisters) ids.push_back(kvm::SysregId(reg));
  ids.push_back(kvm::kMpidrEl1);
  for (const IdRegister& id : IdRegisters()) ids.push_back(kvm::SysregId(id.reg));
  ids.push_back(kvm::kIdAa64Pfr2El1);
  return ids;
}

absl::Status GetCpuRegister(Cpu& cpu, MachineClock& clock, bool has_gicv5, uint64_t id,
                            absl::Span<std::byte> value) {
  constexpr std::string_view kCall = "KVM_GET_ONE_REG";
  if (value.size() != kvm::RegisterSize(id)) return Error(EINVAL, kCall, id);
  if (const std::optional<unsigned> n = VectorNumber(id)) {
    const Value vector = cpu.engine_cpu().V(*n);
    memcpy(value.data(), vector.data(), vector.size());
    return absl::OkStatus();
  }
  std::optional<uint64_t> result;
  const SystemRegister reg = SystemRegister::Unpack(static_cast<uint16_t>(id));
  if (id == kvm::kPsciVersion) {
    result = cpu.psci_version();
  } else if ((id & kvm::kRegFamilyMask) == kvm::kRegFamilyCore) {
    result = Core(cpu.engine_cpu(), id, nullptr);
  } else if (id == kvm::SysregId(reg)) {
    result = TimerValue(cpu, clock, id, nullptr);
    if (!result) result = ConstantValue(cpu, has_gicv5, reg);
    if (!result && IsEngineRegister(reg)) result = cpu.engine_cpu().ReadSystemRegister(reg);
  }
  if (!result) return Error(ENOENT, kCall, id);
  memcpy(value.data(), &*result, value.size());
  return absl::OkStatus();
}

absl::Status SetCpuRegister(Cpu& cpu, MachineClock& clock, bool has_gicv5, uint64_t id,
                            absl::Span<const std::byte> value) {
  constexpr std::string_view kCall = "KVM_SET_ONE_REG";
  if (value.size() != kvm::RegisterSize(id)) return Error(EINVAL, kCall, id);
  if (const std::optional<unsigned> n = VectorNumber(id)) {
    Value vector;
    memcpy(vector.data(), value.data(), vector.size());
    cpu.engine_cpu().SetV(*n, vector);
    return absl::OkStatus();
  }
  if (value.size() > sizeof(uint64_t)) return Error(ENOENT, kCall, id);
  uint64_t number = 0;
  memcpy(&number, value.data(), value.size());
  const SystemRegister reg = SystemRegister::Unpack(static_cast<uint16_t>(id));
  if (id == kvm::kPsciVersion) {
    if (number != kPsciVersion02 && number != kPsciVersion10 && number != kPsciVersion11) {
      return Error(EINVAL, kCall, id);
    }
    cpu.set_psci_version(number);
    return absl::OkStatus();
  }
  if ((id & kvm::kRegFamilyMask) == kvm::kRegFamilyCore) {
    if (id == kvm::kCorePstate && !IsGuestMode(number)) return Error(EINVAL, kCall, id);
    return Core(cpu.engine_cpu(), id, &number) ? absl::OkStatus() : Error(ENOENT, kCall, id);
  }
  if (id != kvm::SysregId(reg)) return Error(ENOENT, kCall, id);
  if (TimerValue(cpu, clock, id, &number)) return absl::OkStatus();
  if (const std::optional<uint64_t> constant = ConstantValue(cpu, has_gicv5, reg)) {
    return number == *constant ? absl::OkStatus() : Error(EINVAL, kCall, id);
  }
  if (!IsEngineRegister(reg)) return Error(ENOENT, kCall, id);
  cpu.engine_cpu().WriteSystemRegister(reg, number);
  return absl::OkStatus();
}

}  // namespace firn::software
