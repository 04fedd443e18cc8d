// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/software_vm.h"

#include <algorithm>
#include <cerrno>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/software_vcpu.h"

namespace firn::software {
namespace {

constexpr uint32_t kMaxPin = 1024;

// The GIC's attributes for threads outside Run.
class LockedGic : public Device {
 public:
  LockedGic(Machine* machine, gicv5::Vgicv5* gic) : machine_(machine), gic_(gic) {}

  absl::Status HasAttr(uint32_t group, uint64_t attr) override {
    Machine::Lock lock(machine_);
    absl::Status status = machine_->CheckAlive("KVM_HAS_DEVICE_ATTR");
    return status.ok() ? gic_->HasAttr(group, attr) : status;
  }
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    Machine::Lock lock(machine_);
    absl::Status status = machine_->CheckAlive("KVM_GET_DEVICE_ATTR");
    return status.ok() ? gic_->GetAttr(group, attr, addr) : status;
  }
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    Machine::Lock lock(machine_);
    absl::Status status = machine_->CheckAlive("KVM_SET_DEVICE_ATTR");
    return status.ok() ? gic_->SetAttr(group, attr, addr) : status;
  }

 private:
  Machine* const machine_;
  gicv5::Vgicv5* const gic_;
};

}  // namespace

int CheckSoftwareExtension(kvm::Capability capability) {
  switch (capability) {
    case kvm::kCapNrVcpus:
    case kvm::kCapMaxVcpus:
      return 8;
    case kvm::kCapMaxVcpuId:
      return 512;
    case kvm::kCapNrMemslots:
      return 32;
    case kvm::kCapArmVmIpaSize:
      return kIpaBits;
    case kvm::kCapIrqchip:
    case kvm::kCapUserMemory:
    case kvm::kCapMpState:
    case kvm::kCapIrqRouting:
    case kvm::kCapIrqfd:
    case kvm::kCapIrqfdResample:
    case kvm::kCapIoeventfd:
    case kvm::kCapVcpuEvents:
    case kvm::kCapOneReg:
    case kvm::kCapReadonlyMem:
    case kvm::kCapArmPsci:
    case kvm::kCapArmPsci02:
    case kvm::kCapDeviceCtrl:
    case kvm::kCapVcpuAttributes:
    case kvm::kCapImmediateExit:
    case kvm::kCapArmIrqLineLayout2:
    case kvm::kCapCounterOffset:
      return 1;
    case kvm::kCapArmPmuV3:
    case kvm::kCapArmSve:
    case kvm::kCapArmPtrauthAddress:
    case kvm::kCapArmPtrauthGeneric:
    case kvm::kCapPreFaultMemory:
      return 0;
  }
  return 0;
}

int SoftwareVm::CheckExtension(kvm::Capability capability) const {
  return CheckSoftwareExtension(capability);
}

absl::Status SoftwareVm::SetMemorySlot(const MemorySlot& slot) {
  Machine::Lock lock(machine_.get());
  absl::Status status = machine_->CheckAlive("KVM_SET_USER_MEMORY_REGION");
  return status.ok() ? machine_->memory().SetSlot(slot) : status;
}

absl::StatusOr<std::vector<uint64_t>> SoftwareVm::GetDirtyLog(uint32_t slot) {
  Machine::Lock lock(machine_.get());
  absl::Status status = machine_->CheckAlive("KVM_GET_DIRTY_LOG");
  if (!status.ok()) return status;
  return machine_->memory().GetDirtyLog(slot);
}

absl::StatusOr<kvm::VcpuInit> SoftwareVm::PreferredTarget() {
  return kvm::VcpuInit{.target = kvm::kArmTargetGenericV8, .features = {}};
}

absl::StatusOr<std::unique_ptr<Vcpu>> SoftwareVm::CreateVcpu(uint32_t id) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_CREATE_VCPU"); !status.ok()) return status;
  const int max_id = CheckSoftwareExtension(kvm::kCapMaxVcpuId);
  if (id >= static_cast<uint32_t>(max_id)) return ErrnoStatus(EINVAL, "KVM_CREATE_VCPU");
  absl::StatusOr<Cpu*> cpu = machine_->AddCpu(id);
  if (!cpu.ok()) return cpu.status();
  return std::make_unique<SoftwareVcpu>(machine_.get(), (*cpu)->index(), id);
}

absl::StatusOr<Device*> SoftwareVm::CreateDevice(uint32_t type, bool test_only) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_CREATE_DEVICE"); !status.ok()) {
    return status;
  }
  if (type != kvm::kDevTypeArmVgicV5) return ErrnoStatus(ENODEV, "KVM_CREATE_DEVICE");
  if (test_only) return nullptr;
  absl::StatusOr<gicv5::Vgicv5*> gic = machine_->CreateGic();
  if (!gic.ok()) return gic.status();
  gic_ = std::make_unique<LockedGic>(machine_.get(), *gic);
  return gic_.get();
}

absl::Status SoftwareVm::IrqLine(uint32_t irq, bool level) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_IRQ_LINE"); !status.ok()) return status;
  if (machine_->gic() == nullptr) return ErrnoStatus(ENXIO, "KVM_IRQ_LINE");
  return machine_->gic()->IrqLine(irq, level);
}

absl::Status SoftwareVm::RegisterIrqFd(const IrqFd& irqfd) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_IRQFD"); !status.ok()) return status;
  if (machine_->gic() == nullptr) return ErrnoStatus(EINVAL, "KVM_IRQFD");
  // As in KVM, what was signalled before is raised before the eventfd goes.
  if (irqfd.deassign) machine_->PollIrqFds();
  return machine_->irq_fds().Register(irqfd);
}

absl::Status SoftwareVm::RegisterIoEventFd(const IoEventFd& ioeventfd) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_IOEVENTFD"); !status.ok()) return status;
  return machine_->io_event_fds().Register(ioeventfd);
}

absl::Status SoftwareVm::SetGsiRouting(absl::Span<const GsiRoute> routes) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_SET_GSI_ROUTING"); !status.ok()) {
    return status;
  }
  if (std::any_of(routes.begin(), routes.end(),
                  [](const GsiRoute& route) { return route.pin >= kMaxPin; })) {
    return ErrnoStatus(EINVAL, "KVM_SET_GSI_ROUTING");
  }
  machine_->SetRoutes({routes.begin(), routes.end()});
  return absl::OkStatus();
}

absl::Status SoftwareVm::SetCounterOffset(uint64_t offset) {
  Machine::Lock lock(machine_.get());
  if (absl::Status status = machine_->CheckAlive("KVM_ARM_SET_COUNTER_OFFSET"); !status.ok()) {
    return status;
  }
  machine_->clock().SetOffset(offset);
  return absl::OkStatus();
}

void SoftwareVm::SetSettleCallback(std::function<void()> settle) {
  Machine::Lock lock(machine_.get());
  machine_->SetSettle(std::move(settle));
}

absl::Status SoftwareVm::SetCounterAlarm(const std::optional<CounterAlarm>& alarm) {
  Machine::Lock lock(machine_.get());
  return machine_->alarm_fd().Set(alarm);
}

absl::Status SoftwareVm::SetInstructionLimit(std::optional<uint64_t> limit) {
  Machine::Lock lock(machine_.get());
  machine_->SetInstructionLimit(limit);
  return absl::OkStatus();
}

}  // namespace firn::software
