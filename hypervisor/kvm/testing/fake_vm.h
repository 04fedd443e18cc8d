// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// FakeKvm's file of KVM_CREATE_VM: decodes the ioctls of a VM for a Vm of the seam.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAKE_VM_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAKE_VM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/kvm/testing/fake_file.h"
#include "hypervisor/kvm/testing/fake_host.h"
#include "hypervisor/kvm/testing/vgic_v3_model.h"
#include "hypervisor/vm.h"

namespace firn::kvm::testing {

// KVM_CHECK_EXTENSION.
int CapabilityOf(const FakeHost& host, uintptr_t capability);
// KVM_GET_VCPU_MMAP_SIZE: kvm_run, and the ring of coalesced MMIO.
size_t RunPageSize(const FakeHost& host);

class FakeVm : public FakeFile, public std::enable_shared_from_this<FakeVm> {
 public:
  // `host` and `files` outlive the object.
  FakeVm(const FakeHost& host, FakeFiles& files, std::unique_ptr<Vm> vm, int ipa_bits);

  std::string name() const override { return "VM"; }
  int Ioctl(uint32_t request, uintptr_t argument) override;

  const FakeHost& host() const { return host_; }
  // What the counter of the host reads.
  uint64_t HostCounter() const { return vm_->Counter() + counter_offset_; }
  uint64_t CounterFrequency() const { return vm_->CounterFrequency(); }

  // For the vCPUs. The features that the seam's Vcpu does not model: all vCPUs have the same.
  bool AgreesOnFeatures(uint32_t features);
  // What KVM checks before it enters the guest, of what the seam's Vm does not know: 0 or -errno.
  int PrepareRun();
  enum class Gic { kNone, kV3, kV5 };
  Gic gic() const;
  bool gic_initialised() const;
  bool any_vcpu_has_run() const { return has_run_; }

 private:
  class SeamDevice;
  class VgicV3Device;
  class ItsDevice;

  int CreateVcpu(uintptr_t id);
  int SetUserMemoryRegion(uintptr_t argument);
  int GetDirtyLog(uintptr_t argument);
  int IrqLine(uintptr_t argument);
  int SetGsiRouting(uintptr_t argument);
  int RegisterIrqfd(uintptr_t argument);
  int RegisterIoeventfd(uintptr_t argument);
  int PreferredTarget(uintptr_t argument);
  int SetCounterOffset(uintptr_t argument);
  int CreateDevice(uintptr_t argument);

  const FakeHost& host_;
  FakeFiles& files_;
  const std::unique_ptr<Vm> vm_;
  std::atomic<uint64_t> counter_offset_ = 0;
  std::atomic<bool> has_run_ = false;

  mutable absl::Mutex mutex_;
  int vcpus_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<uint32_t> features_ ABSL_GUARDED_BY(mutex_);
  Gic gic_ ABSL_GUARDED_BY(mutex_) = Gic::kNone;
  bool v5_initialised_ ABSL_GUARDED_BY(mutex_) = false;
  VgicV3Model v3_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAKE_VM_H_
