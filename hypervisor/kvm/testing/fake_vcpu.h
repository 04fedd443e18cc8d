// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// FakeKvm's file of KVM_CREATE_VCPU: decodes the ioctls of a vCPU for a Vcpu of the seam, and
// fills kvm_run.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAKE_VCPU_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAKE_VCPU_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "hypervisor/file_descriptor.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_file.h"
#include "hypervisor/kvm/testing/fake_vm.h"
#include "hypervisor/kvm/testing/interruptible_run.h"
#include "hypervisor/vcpu.h"

namespace firn::kvm::testing {

class FakeVcpu : public FakeFile {
 public:
  FakeVcpu(std::shared_ptr<FakeVm> vm, std::unique_ptr<Vcpu> vcpu, size_t run_size);
  ~FakeVcpu() override;

  std::string name() const override;
  int Ioctl(uint32_t request, uintptr_t argument) override;
  int memory() const override { return memory_.get(); }
  size_t memory_size() const override { return run_size_; }

 private:
  int Init(uintptr_t argument) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int Finalize(uintptr_t argument) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int GetRegList(uintptr_t argument) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int OneRegister(uint32_t request, uintptr_t argument) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int SveVectorLengths(uint32_t request, uintptr_t user) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int MpState(uint32_t request, uintptr_t argument);
  int Events(uint32_t request, uintptr_t argument);
  int PreFault(uintptr_t argument);

  int Attribute(uint32_t request, uintptr_t argument) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int TimerAttribute(uint32_t request, const DeviceAttr& attr);
  int PmuAttribute(uint32_t request, const DeviceAttr& attr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  int Run(uintptr_t argument) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What KVM_RUN refuses for features that the seam's Vcpu does not model.
  int CheckFeatures() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int FillRunPage(const absl::StatusOr<Exit>& exit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  bool Has(VcpuFeature feature) const { return (features_ & 1u << feature) != 0; }

  const std::shared_ptr<FakeVm> vm_;
  const std::unique_ptr<Vcpu> vcpu_;
  const size_t run_size_;
  FileDescriptor memory_;
  RunPage* run_;

  // As vcpu->mutex: one ioctl at a time.
  absl::Mutex mutex_;
  bool initialised_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<uint32_t> features_ = 0;
  bool sve_finalized_ ABSL_GUARDED_BY(mutex_) = false;
  std::array<uint64_t, 8> sve_lengths_ ABSL_GUARDED_BY(mutex_) = {0x1};  // 128 bits
  std::optional<uint32_t> pmu_irq_ ABSL_GUARDED_BY(mutex_);
  bool pmu_initialised_ ABSL_GUARDED_BY(mutex_) = false;
  // The bytes that a load waits for.
  absl::Span<std::byte> load_ ABSL_GUARDED_BY(mutex_);
  // Last: its thread ends before the rest goes.
  std::unique_ptr<InterruptibleRun> runner_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAKE_VCPU_H_
