// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Register ids of KVM_GET_ONE_REG and KVM_SET_ONE_REG on arm64, and the 16-bit packing of a
// system register's name that they share with VGICv5's CPU_SYSREGS attributes.
// Source: Linux Documentation/virt/kvm/api.rst section 4.68; arch/arm64 uapi asm/kvm.h.
#ifndef FIRN_HYPERVISOR_REGISTER_ID_H_
#define FIRN_HYPERVISOR_REGISTER_ID_H_

#include <compare>
#include <cstddef>
#include <cstdint>

namespace firn {

// A system register or system instruction by its encoding (op0, op1, CRn, CRm, op2).
struct SystemRegister {
  uint8_t op0, op1, crn, crm, op2;

  constexpr uint16_t packed() const {
    return static_cast<uint16_t>(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2);
  }
  static constexpr SystemRegister Unpack(uint16_t packed) {
    return {static_cast<uint8_t>(packed >> 14), static_cast<uint8_t>(packed >> 11 & 7),
            static_cast<uint8_t>(packed >> 7 & 15), static_cast<uint8_t>(packed >> 3 & 15),
            static_cast<uint8_t>(packed & 7)};
  }
  constexpr auto operator<=>(const SystemRegister&) const = default;
};

namespace kvm {

inline constexpr uint64_t kRegArm64 = 0x6000000000000000;
inline constexpr uint64_t kRegSizeMask = 0x00f0000000000000;
inline constexpr uint64_t kRegSizeU32 = 0x0020000000000000;
inline constexpr uint64_t kRegSizeU64 = 0x0030000000000000;
inline constexpr uint64_t kRegSizeU128 = 0x0040000000000000;
inline constexpr uint64_t kRegSizeU512 = 0x0060000000000000;
inline constexpr uint64_t kRegFamilyMask = 0x000000000fff0000;
inline constexpr uint64_t kRegFamilyCore = 0x0000000000100000;
inline constexpr uint64_t kRegFamilyDemux = 0x0000000000110000;  // CCSIDR
inline constexpr uint64_t kRegFamilySysreg = 0x0000000000130000;
inline constexpr uint64_t kRegFamilyFirmware = 0x0000000000140000;
inline constexpr uint64_t kRegFamilySve = 0x0000000000150000;
inline constexpr uint64_t kRegFamilyFirmwareFeatures = 0x0000000000160000;

// The size in bytes of the value of register `id`.
constexpr size_t RegisterSize(uint64_t id) { return size_t{1} << ((id & kRegSizeMask) >> 52); }

constexpr uint64_t SysregId(SystemRegister r) {
  return kRegArm64 | kRegSizeU64 | kRegFamilySysreg | r.packed();
}

// Core registers: the byte offset in struct kvm_regs, divided by 4.
constexpr uint64_t CoreId(uint64_t size, uint64_t offset) {
  return kRegArm64 | size | kRegFamilyCore | offset / 4;
}
constexpr uint64_t CoreX(unsigned n) { return CoreId(kRegSizeU64, 8 * n); }  // n 0..30
inline constexpr uint64_t kCoreSp = CoreId(kRegSizeU64, 248);
inline constexpr uint64_t kCorePc = CoreId(kRegSizeU64, 256);
inline constexpr uint64_t kCorePstate = CoreId(kRegSizeU64, 264);
inline constexpr uint64_t kCoreSpEl1 = CoreId(kRegSizeU64, 272);
inline constexpr uint64_t kCoreElrEl1 = CoreId(kRegSizeU64, 280);
constexpr uint64_t CoreSpsr(unsigned n) { return CoreId(kRegSizeU64, 288 + 8 * n); }  // n 0..4
constexpr uint64_t CoreV(unsigned n) { return CoreId(kRegSizeU128, 336 + 16 * n); }   // n 0..31
inline constexpr uint64_t kCoreFpsr = CoreId(kRegSizeU32, 848);
inline constexpr uint64_t kCoreFpcr = CoreId(kRegSizeU32, 852);

inline constexpr uint64_t kPsciVersion = kRegArm64 | kRegSizeU64 | kRegFamilyFirmware | 0;

// KVM_REG_ARM64_SVE_VLS, 512 bits.
inline constexpr uint64_t kSveVectorLengths = kRegArm64 | kRegSizeU512 | kRegFamilySve | 0xffff;

inline constexpr uint64_t kMpidrEl1 = SysregId({3, 0, 0, 0, 5});
inline constexpr uint64_t kEsrEl1 = SysregId({3, 0, 5, 2, 0});
inline constexpr uint64_t kFarEl1 = SysregId({3, 0, 6, 0, 0});
inline constexpr uint64_t kIdAa64Pfr0El1 = SysregId({3, 0, 0, 4, 0});
inline constexpr uint64_t kIdAa64Pfr2El1 = SysregId({3, 0, 0, 4, 2});
// The published ids of the virtual timer: CVAL and CNT are swapped, a historic accident.
inline constexpr uint64_t kTimerCtl = SysregId({3, 3, 14, 3, 1});
inline constexpr uint64_t kTimerCval = SysregId({3, 3, 14, 0, 2});
inline constexpr uint64_t kTimerCnt = SysregId({3, 3, 14, 3, 2});
inline constexpr uint64_t kPtimerCtl = SysregId({3, 3, 14, 2, 1});
inline constexpr uint64_t kPtimerCval = SysregId({3, 3, 14, 2, 2});
inline constexpr uint64_t kPtimerCnt = SysregId({3, 3, 14, 0, 1});

}  // namespace kvm

// MPIDR_EL1's affinity fields as KVM derives them from a vCPU id (kvm_mpidr in
// arch/arm64/kvm/sys_regs.c): Aff0 = id[3:0], Aff1 = id[11:4], Aff2 = id[19:12].
constexpr uint64_t MpidrAffinity(uint32_t vcpu_id) {
  return (vcpu_id & 0xf) | uint64_t{vcpu_id >> 4 & 0xff} << 8 |
         uint64_t{vcpu_id >> 12 & 0xff} << 16;
}

}  // namespace firn

#endif  // FIRN_HYPERVISOR_REGISTER_ID_H_
