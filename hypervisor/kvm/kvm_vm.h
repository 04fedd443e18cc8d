// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam's Vm over a file descriptor of KVM_CREATE_VM.
#ifndef FIRN_HYPERVISOR_KVM_KVM_VM_H_
#define FIRN_HYPERVISOR_KVM_KVM_VM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "hypervisor/kvm/kvm_device.h"
#include "hypervisor/kvm/kvm_fd.h"
#include "hypervisor/vm.h"

namespace firn::kvm {

class KvmVm final : public Vm {
 public:
  // `run_size` is KVM_GET_VCPU_MMAP_SIZE's. For the call right after KVM_CREATE_VM: the guest's
  // virtual counter starts then.
  KvmVm(KvmFd fd, size_t run_size)
      : fd_(std::move(fd)), run_size_(run_size), counter_offset_(fd_.calls().Counter()) {}

  int CheckExtension(Capability capability) const override;
  absl::Status SetMemorySlot(const MemorySlot& slot) override;
  absl::StatusOr<std::vector<uint64_t>> GetDirtyLog(uint32_t slot) override;
  absl::StatusOr<VcpuInit> PreferredTarget() override;
  absl::StatusOr<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t id) override;
  absl::StatusOr<Device*> CreateDevice(uint32_t type, bool test_only) override;
  absl::Status IrqLine(uint32_t irq, bool level) override;
  absl::Status RegisterIrqFd(const IrqFd& irqfd) override;
  absl::Status RegisterIoEventFd(const IoEventFd& ioeventfd) override;
  absl::Status SetGsiRouting(absl::Span<const GsiRoute> routes) override;
  absl::Status SetCounterOffset(uint64_t offset) override;
  // Until SetCounterOffset within the time that KVM_CREATE_VM took: the kernel tells nobody which
  // offset it chose.
  uint64_t Counter() const override { return fd_.calls().Counter() - counter_offset_; }
  uint64_t CounterFrequency() const override { return fd_.calls().CounterFrequency(); }
  // KVM's guests are not deterministic.
  void SetSettleCallback(std::function<void()>) override {}

 private:
  const KvmFd fd_;
  const size_t run_size_;
  uint64_t counter_offset_;
  std::map<uint32_t, uint64_t> slot_sizes_;  // bytes
  std::vector<std::unique_ptr<KvmDevice>> devices_;
};

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KVM_VM_H_
