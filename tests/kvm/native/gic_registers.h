// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A GICv3's registers by the offsets of the specification (Arm IHI 0069), through KVM's attributes.
#ifndef FIRN_TESTS_KVM_NATIVE_GIC_REGISTERS_H_
#define FIRN_TESTS_KVM_NATIVE_GIC_REGISTERS_H_

#include <cstdint>

#include "absl/log/check.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/register_id.h"
#include "tests/kvm/native/native_vm.h"

namespace firn {

inline void SetGicd(NativeVm& vm, uint64_t offset, uint32_t value) {
  CHECK_OK(SetAttrU32(vm.gic_device(), kvm::kVgicGrpDistRegs, offset, value)) << offset;
}
inline uint32_t GetGicd(NativeVm& vm, uint64_t offset) {
  return *GetAttrU32(vm.gic_device(), kvm::kVgicGrpDistRegs, offset);
}

inline void SetGicr(NativeVm& vm, uint32_t vcpu, uint64_t offset, uint32_t value) {
  const uint64_t attr = MpidrAffinity(vcpu) << 32 | offset;
  CHECK_OK(SetAttrU32(vm.gic_device(), kvm::kVgicGrpRedistRegs, attr, value)) << offset;
}
inline uint32_t GetGicr(NativeVm& vm, uint32_t vcpu, uint64_t offset) {
  const uint64_t attr = MpidrAffinity(vcpu) << 32 | offset;
  return *GetAttrU32(vm.gic_device(), kvm::kVgicGrpRedistRegs, attr);
}
inline void SetGicr64(NativeVm& vm, uint32_t vcpu, uint64_t offset, uint64_t value) {
  SetGicr(vm, vcpu, offset, static_cast<uint32_t>(value));
  SetGicr(vm, vcpu, offset + 4, static_cast<uint32_t>(value >> 32));
}

inline void SetIcc(NativeVm& vm, uint32_t vcpu, SystemRegister r, uint64_t value) {
  const uint64_t attr = MpidrAffinity(vcpu) << 32 | r.packed();
  CHECK_OK(SetAttrU64(vm.gic_device(), kvm::kVgicGrpCpuSysregs, attr, value));
}
inline uint64_t GetIcc(NativeVm& vm, uint32_t vcpu, SystemRegister r) {
  const uint64_t attr = MpidrAffinity(vcpu) << 32 | r.packed();
  return *GetAttrU64(vm.gic_device(), kvm::kVgicGrpCpuSysregs, attr);
}

inline void SetLines(NativeVm& vm, uint32_t vcpu, uint32_t intid, uint32_t levels) {
  const uint64_t attr = MpidrAffinity(vcpu) << 32 | intid;
  CHECK_OK(SetAttrU32(vm.gic_device(), kvm::kVgicGrpLevelInfo, attr, levels));
}

inline void SetGits(NativeVm& vm, uint64_t offset, uint64_t value) {
  CHECK_OK(SetAttrU64(vm.its_device(), kvm::kVgicGrpItsRegs, offset, value)) << offset;
}
inline uint64_t GetGits(NativeVm& vm, uint64_t offset) {
  return *GetAttrU64(vm.its_device(), kvm::kVgicGrpItsRegs, offset);
}

inline constexpr SystemRegister kIccPmr{3, 0, 4, 6, 0}, kIccBpr0{3, 0, 12, 8, 3},
    kIccAp0r0{3, 0, 12, 8, 4}, kIccAp1r0{3, 0, 12, 9, 0}, kIccBpr1{3, 0, 12, 12, 3},
    kIccCtlr{3, 0, 12, 12, 4}, kIccSre{3, 0, 12, 12, 5}, kIccIgrpen0{3, 0, 12, 12, 6},
    kIccIgrpen1{3, 0, 12, 12, 7};

}  // namespace firn

#endif  // FIRN_TESTS_KVM_NATIVE_GIC_REGISTERS_H_
