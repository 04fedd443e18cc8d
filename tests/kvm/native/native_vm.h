// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A VM on the host's KVM, with a GICv3 and two vCPUs, as firn makes it.
#ifndef FIRN_TESTS_KVM_NATIVE_NATIVE_VM_H_
#define FIRN_TESTS_KVM_NATIVE_NATIVE_VM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arch-aarch64/gicv3.h"
#include "hypervisor/device.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vm.h"

namespace firn {

// The host's KVM. Dies where there is none.
Hypervisor& HostKvm();

// Dies where KVM refuses anything.
class NativeVm {
 public:
  static constexpr GuestAddress kMemory = GuestAddress(0x4000'0000);
  static constexpr uint64_t kMemorySize = 16 << 20;
  static constexpr uint32_t kVcpus = 2;

  // `memory_of`: the guest whose memory this one gets a copy of.
  explicit NativeVm(const NativeVm* memory_of = nullptr);

  Vm& vm() { return *vm_; }
  Gicv3& gic() { return *gic_; }
  Vcpu& vcpu(size_t n) { return *vcpus_[n]; }
  GuestMemory& memory() { return *memory_; }
  std::vector<std::byte> MemoryContent() const;
  // The devices behind gic().
  Device& gic_device() { return *gic_device_; }
  Device& its_device() { return *its_device_; }

  // Runs vCPU 0 up to its next store to a device; the value, with the store completed.
  uint64_t RunToStore();

 private:
  // Remembers the devices that the GIC makes.
  class SpyingVm;

  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<Vm> vm_;
  Device* gic_device_ = nullptr;
  Device* its_device_ = nullptr;
  std::unique_ptr<Gicv3> gic_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
};

}  // namespace firn

#endif  // FIRN_TESTS_KVM_NATIVE_NATIVE_VM_H_
