// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The state behind KVM's VGICv3 and ITS devices as far as their attributes go: what may be set,
// when, and what it reads as. No interrupt is delivered.
// Source: Linux Documentation/virt/kvm/devices/arm-vgic-v3.rst, arm-vgic-its.rst;
// arch/arm64/kvm/vgic/{vgic-kvm-device.c,vgic-mmio-v3.c,vgic-init.c,vgic-v3.c,vgic-its.c}.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_VGIC_V3_MODEL_H_
#define FIRN_HYPERVISOR_KVM_TESTING_VGIC_V3_MODEL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "hypervisor/kvm/testing/vgic_v3_registers.h"

namespace firn::kvm::testing {

// Results are 0 or -errno. Thread rules: none; the caller has a lock.
class VgicV3Model {
 public:
  explicit VgicV3Model(int ipa_bits) : ipa_bits_(ipa_bits) {}

  // KVM_CREATE_VCPU, and KVM_CREATE_DEVICE of the ITS.
  void AddVcpu(uint32_t id) { registers_.AddVcpu(id); }
  void AddIts() { registers_.AddIts(); }

  // The device of KVM_DEV_TYPE_ARM_VGIC_V3. `user` is kvm_device_attr.addr.
  int HasAttr(uint32_t group, uint64_t attr) const;
  int GetAttr(uint32_t group, uint64_t attr, uintptr_t user) const;
  int SetAttr(uint32_t group, uint64_t attr, uintptr_t user, int vcpus);

  // The device of KVM_DEV_TYPE_ARM_VGIC_ITS.
  int HasItsAttr(uint32_t group, uint64_t attr) const;
  int GetItsAttr(uint32_t group, uint64_t attr, uintptr_t user) const;
  int SetItsAttr(uint32_t group, uint64_t attr, uintptr_t user);

  // What KVM_RUN finds wrong.
  int PrepareRun(int vcpus) const;
  // KVM_IRQ_LINE.
  int IrqLine(uint32_t irq, int vcpus) const;
  bool initialised() const { return initialised_; }

 private:
  struct Region {
    uint32_t index;
    uint64_t base;
    uint32_t count;  // of redistributors; 0: the one region of KVM_VGIC_V3_ADDR_TYPE_REDIST
  };

  int SetAddress(uint64_t type, uint64_t value, int vcpus);
  int AddRegion(const Region& region, int vcpus);
  int CheckRange(uint64_t base, uint64_t size) const;
  bool Overlaps(uint64_t base, uint64_t size, int vcpus) const;
  uint64_t SizeOf(const Region& region, int vcpus) const;
  int GetRegister(uint32_t group, uint64_t attr, uintptr_t user) const;
  int SetRegister(uint32_t group, uint64_t attr, uintptr_t user);

  const int ipa_bits_;
  std::optional<uint64_t> distributor_;
  std::vector<Region> regions_;
  uint32_t irqs_ = 0;  // with the 32 private ones; 0: not set
  bool initialised_ = false;
  std::optional<uint64_t> its_;
  VgicV3Registers registers_;
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_VGIC_V3_MODEL_H_
