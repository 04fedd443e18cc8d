// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam's Vm over a Machine.
#ifndef FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_VM_H_
#define FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_VM_H_

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "hypervisor/software/machine.h"
#include "hypervisor/vm.h"

namespace firn::software {

class SoftwareVm : public Vm {
 public:
  explicit SoftwareVm(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}

  int CheckExtension(kvm::Capability capability) const override;
  absl::Status SetMemorySlot(const MemorySlot& slot) override;
  absl::StatusOr<std::vector<uint64_t>> GetDirtyLog(uint32_t slot) override;
  absl::StatusOr<kvm::VcpuInit> PreferredTarget() override;
  absl::StatusOr<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t id) override;
  absl::StatusOr<Device*> CreateDevice(uint32_t type, bool test_only) override;
  absl::Status IrqLine(uint32_t irq, bool level) override;
  absl::Status RegisterIrqFd(const IrqFd& irqfd) override;
  absl::Status RegisterIoEventFd(const IoEventFd& ioeventfd) override;
  absl::Status SetGsiRouting(absl::Span<const GsiRoute> routes) override;
  absl::Status SetCounterOffset(uint64_t offset) override;
  uint64_t Counter() const override { return machine_->clock().Counter(); }
  uint64_t CounterFrequency() const override { return kCounterFrequency; }
  void SetSettleCallback(std::function<void()> settle) override;
  absl::Status SetCounterAlarm(const std::optional<CounterAlarm>& alarm) override;
  absl::Status SetInstructionLimit(std::optional<uint64_t> limit) override;
  uint64_t instructions() const override { return machine_->clock().instructions(); }

 private:
  const std::unique_ptr<Machine> machine_;
  std::unique_ptr<Device> gic_;
};

// KVM_CHECK_EXTENSION of the software hypervisor.
int CheckSoftwareExtension(kvm::Capability capability);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_VM_H_
