// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/software_vcpu.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/user_memory.h"
#include "hypervisor/software/vcpu_registers.h"

namespace firn::software {
namespace {

constexpr uint32_t kKnownFeatures = (1u << 10) - 1;  // up to PMU_V3_STRICT
constexpr uint32_t kSupportedFeatures = 1u << kvm::kArmVcpuPowerOff | 1u << kvm::kArmVcpuPsci02;

// What GICv5 fixes for the timers: PPI 27 and 30 (gicv5-reference 1.13).
constexpr std::array<uint32_t, 2> kGicv5TimerIntid = {0x2000001b, 0x2000001e};

}  // namespace

absl::Status SoftwareVcpu::CheckInitialised(std::string_view call) const {
  return initialised_ ? absl::OkStatus() : ErrnoStatus(ENOEXEC, call);
}

absl::Status SoftwareVcpu::Init(const kvm::VcpuInit& init) {
  constexpr std::string_view kCall = "KVM_ARM_VCPU_INIT";
  Machine::Lock lock(machine_);
  if (absl::Status status = machine_->CheckAlive(kCall); !status.ok()) return status;
  if (init.target != kvm::kArmTargetGenericV8) return ErrnoStatus(EINVAL, kCall);
  const bool has_unknown =
      (init.features[0] & ~kKnownFeatures) != 0 ||
      std::any_of(init.features + 1, std::end(init.features), [](uint32_t f) { return f != 0; });
  if (has_unknown) return ErrnoStatus(ENOENT, kCall);
  if ((init.features[0] & ~kSupportedFeatures) != 0) return ErrnoStatus(EINVAL, kCall);
  const uint32_t common = init.features[0] & ~(1u << kvm::kArmVcpuPowerOff);
  std::optional<uint32_t>& vm_features = machine_->vcpu_features();
  if (vm_features.value_or(common) != common) return ErrnoStatus(EINVAL, kCall);
  vm_features = common;
  Cpu& cpu = machine_->cpu(index_);
  cpu.Reset();
  const bool has_psci = (init.features[0] & 1u << kvm::kArmVcpuPsci02) != 0;
  cpu.set_psci_version(has_psci ? kPsciVersion11 : kPsciVersion02);
  const bool powered_off = (init.features[0] & 1u << kvm::kArmVcpuPowerOff) != 0;
  cpu.set_power(powered_off ? Cpu::Power::kOff : Cpu::Power::kRunnable);
  initialised_ = true;
  return absl::OkStatus();
}

absl::Status SoftwareVcpu::Finalize(uint32_t) {
  return ErrnoStatus(EINVAL, "KVM_ARM_VCPU_FINALIZE");  // only SVE has something to finalize
}

absl::StatusOr<std::vector<uint64_t>> SoftwareVcpu::RegisterList() {
  if (absl::Status status = CheckInitialised("KVM_GET_REG_LIST"); !status.ok()) return status;
  return RegisterIds();
}

absl::Status SoftwareVcpu::GetRegister(uint64_t id, absl::Span<std::byte> value) {
  Machine::Lock lock(machine_);
  absl::Status status = machine_->CheckAlive("KVM_GET_ONE_REG");
  status.Update(CheckInitialised("KVM_GET_ONE_REG"));
  if (!status.ok()) return status;
  return GetCpuRegister(machine_->cpu(index_), machine_->clock(), machine_->gic() != nullptr, id,
                        value);
}

absl::Status SoftwareVcpu::SetRegister(uint64_t id, absl::Span<const std::byte> value) {
  Machine::Lock lock(machine_);
  absl::Status status = machine_->CheckAlive("KVM_SET_ONE_REG");
  status.Update(CheckInitialised("KVM_SET_ONE_REG"));
  if (!status.ok()) return status;
  return SetCpuRegister(machine_->cpu(index_), machine_->clock(), machine_->gic() != nullptr, id,
                        value);
}

absl::StatusOr<kvm::MpState> SoftwareVcpu::GetMpState() {
  Machine::Lock lock(machine_);
  absl::Status status = machine_->CheckAlive("KVM_GET_MP_STATE");
  status.Update(CheckInitialised("KVM_GET_MP_STATE"));
  if (!status.ok()) return status;
  // Who asks for it saves the machine; one that is only paused goes on as if it had not been.
  machine_->ForgetTurns();
  return machine_->cpu(index_).power() == Cpu::Power::kOff ? kvm::kMpStateStopped
                                                           : kvm::kMpStateRunnable;
}

absl::Status SoftwareVcpu::SetMpState(kvm::MpState state) {
  Machine::Lock lock(machine_);
  absl::Status status = machine_->CheckAlive("KVM_SET_MP_STATE");
  status.Update(CheckInitialised("KVM_SET_MP_STATE"));
  if (!status.ok()) return status;
  switch (state) {
    case kvm::kMpStateRunnable:
      machine_->cpu(index_).set_power(Cpu::Power::kRunnable);
      break;
    case kvm::kMpStateStopped:
      machine_->cpu(index_).set_power(Cpu::Power::kOff);
      break;
    default:
      return ErrnoStatus(EINVAL, "KVM_SET_MP_STATE");
  }
  return absl::OkStatus();
}

absl::StatusOr<kvm::VcpuEvents> SoftwareVcpu::GetEvents() {
  if (absl::Status status = CheckInitialised("KVM_GET_VCPU_EVENTS"); !status.ok()) return status;
  return kvm::VcpuEvents{};
}

absl::Status SoftwareVcpu::SetEvents(const kvm::VcpuEvents& events) {
  if (absl::Status status = CheckInitialised("KVM_SET_VCPU_EVENTS"); !status.ok()) return status;
  // No source of SError exists, so there is none to restore.
  const bool any = events.serror_pending != 0 || events.ext_dabt_pending != 0;
  return any ? ErrnoStatus(EINVAL, "KVM_SET_VCPU_EVENTS") : absl::OkStatus();
}

absl::Status SoftwareVcpu::PreFaultMemory(const GuestRange&) {
  return ErrnoStatus(ENOTTY, "KVM_PRE_FAULT_MEMORY");  // no stage 2 faults that cost anything
}

absl::StatusOr<Exit> SoftwareVcpu::Run() {
  if (absl::Status status = CheckInitialised("KVM_RUN"); !status.ok()) return status;
  if (machine_->gic() != nullptr && timer_intid_ != kGicv5TimerIntid) {
    Machine::Lock lock(machine_);
    if (absl::Status status = machine_->CheckAlive("KVM_RUN"); !status.ok()) return status;
    return ErrnoStatus(EINVAL, "KVM_RUN: a timer interrupt is not the one that GICv5 fixes");
  }
  absl::StatusOr<Exit> exit = machine_->Run(index_);
  exits_.fetch_add(1, std::memory_order_relaxed);
  return exit;
}

absl::Status SoftwareVcpu::CompleteExit() {
  Machine::Lock lock(machine_);
  if (absl::Status status = machine_->CheckAlive("KVM_RUN"); !status.ok()) return status;
  Cpu& cpu = machine_->cpu(index_);
  if (cpu.mmio_pending()) cpu.CompleteMmio();
  return absl::OkStatus();
}

VcpuStats SoftwareVcpu::stats() const {
  const Cpu& cpu = machine_->cpu(index_);
  VcpuStats stats{.instructions = cpu.instructions(),
                  .exits = exits_.load(std::memory_order_relaxed),
                  .interrupts = cpu.interrupts_taken(),
                  .wfi = cpu.waits()};
  if (machine_->gic() != nullptr) {
    Machine::Lock lock(machine_);
    const gicv5::AcknowledgeCounts counts = machine_->gic()->acknowledged(index_);
    stats.ppi_acknowledged = counts.ppi;
    stats.lpi_acknowledged = counts.lpi;
    stats.spi_acknowledged = counts.spi;
  }
  return stats;
}

absl::Status SoftwareVcpu::HasAttr(uint32_t group, uint64_t attr) {
  const bool known = group == kvm::kVcpuTimerCtrl && attr < timer_intid_.size();
  return known ? absl::OkStatus() : ErrnoStatus(ENXIO, "KVM_HAS_DEVICE_ATTR(vcpu)");
}

absl::Status SoftwareVcpu::GetAttr(uint32_t group, uint64_t attr, uint64_t addr) {
  if (absl::Status status = HasAttr(group, attr); !status.ok()) return status;
  return PutUser(addr, timer_intid_[attr], "KVM_GET_DEVICE_ATTR(KVM_ARM_VCPU_TIMER_CTRL)");
}

absl::Status SoftwareVcpu::SetAttr(uint32_t group, uint64_t attr, uint64_t addr) {
  constexpr std::string_view kCall = "KVM_SET_DEVICE_ATTR(KVM_ARM_VCPU_TIMER_CTRL)";
  if (absl::Status status = HasAttr(group, attr); !status.ok()) return status;
  const absl::StatusOr<uint32_t> user_intid = GetUser<uint32_t>(addr, kCall);
  if (!user_intid.ok()) return user_intid.status();
  const uint32_t intid = *user_intid;
  Machine::Lock lock(machine_);
  constexpr uint32_t kTypePpi = 1;
  if (machine_->gic() == nullptr || intid >> 29 != kTypePpi || (intid & 0x1fffffff) >= 64) {
    return ErrnoStatus(EINVAL, kCall);
  }
  if (machine_->AnyVcpuHasRun()) return ErrnoStatus(EBUSY, kCall);
  timer_intid_[attr] = intid;
  return absl::OkStatus();
}

}  // namespace firn::software
