// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The registers of a GICv5 that a snapshot carries, as KVM's attributes name them.
// Source: Linux Documentation/virt/kvm/devices/arm-vgic-v5.rst, KVM_DEV_ARM_VGIC_GRP_IRS_REGS and
// KVM_DEV_ARM_VGIC_CPU_SYSREGS; Arm IHI 0087 (GICv5) for the names.
#ifndef FIRN_ARCH_AARCH64_GICV5_REGISTERS_H_
#define FIRN_ARCH_AARCH64_GICV5_REGISTERS_H_

#include <array>
#include <cstdint>

#include "hypervisor/register_id.h"

namespace firn::gicv5 {

// Offsets in the IRS CONFIG frame.
enum IrsRegister : uint64_t {
  kIrsIdr0 = 0x000,
  kIrsIdr1 = 0x004,
  kIrsIdr2 = 0x008,
  kIrsIdr5 = 0x014,
  kIrsIdr6 = 0x018,
  kIrsIdr7 = 0x01c,
  kIrsCr0 = 0x080,
  kIrsCr1 = 0x084,
  kIrsSpiSelr = 0x108,
  kIrsSpiCfgr = 0x114,
  kIrsPeSelr = 0x140,
  kIrsIstBaser = 0x180,
  kIrsIstCfgr = 0x190,
};

// In the order in which they are restored: what describes the tables, then the rest with CR0, which
// lets interrupts flow, at the end.
inline constexpr std::array kIrsTableRegisters = {kIrsIdr0, kIrsIdr1, kIrsIdr2,    kIrsIdr5,
                                                  kIrsIdr6, kIrsIdr7, kIrsIstCfgr, kIrsIstBaser};
inline constexpr std::array kIrsOtherRegisters = {kIrsCr1, kIrsSpiSelr, kIrsPeSelr, kIrsCr0};

inline constexpr uint64_t kIstBaserValid = 1;
inline constexpr uint64_t kIstCfgrLpiIdBits = 0x1f;

// ISTE bits (32-bit entry).
inline constexpr uint32_t kIsteLevel = 1 << 2;  // HM

// The CPU interface of one vCPU.
inline constexpr std::array<SystemRegister, 26> kCpuRegisters = {{
    {3, 0, 12, 10, 4},  // ICC_ICSR_EL1
    {3, 0, 12, 10, 6},  // ICC_PPI_ENABLER0_EL1
    {3, 0, 12, 10, 7},  // ICC_PPI_ENABLER1_EL1
    {3, 0, 12, 13, 2},  // ICC_PPI_SACTIVER0_EL1
    {3, 0, 12, 13, 3},  // ICC_PPI_SACTIVER1_EL1
    {3, 0, 12, 13, 6},  // ICC_PPI_SPENDR0_EL1
    {3, 0, 12, 13, 7},  // ICC_PPI_SPENDR1_EL1
    {3, 0, 12, 14, 0},  // ICC_PPI_PRIORITYR0_EL1
    {3, 0, 12, 14, 1}, {3, 0, 12, 14, 2}, {3, 0, 12, 14, 3}, {3, 0, 12, 14, 4},
    {3, 0, 12, 14, 5}, {3, 0, 12, 14, 6}, {3, 0, 12, 14, 7}, {3, 0, 12, 15, 0},
    {3, 0, 12, 15, 1}, {3, 0, 12, 15, 2}, {3, 0, 12, 15, 3}, {3, 0, 12, 15, 4},
    {3, 0, 12, 15, 5}, {3, 0, 12, 15, 6}, {3, 0, 12, 15, 7},  // ICC_PPI_PRIORITYR15_EL1
    {3, 1, 12, 0, 0},                                         // ICC_APR_EL1
    {3, 1, 12, 0, 1},                                         // ICC_CR0_EL1
    {3, 1, 12, 0, 2},                                         // ICC_PCR_EL1
}};
static_assert(kCpuRegisters[0].packed() == 0xc654 && kCpuRegisters[25].packed() == 0xce02);

// KVM_DEV_ARM_VGIC_CPU_SYSREGS: which register of which vCPU.
constexpr uint64_t CpuAttribute(uint32_t vcpu_id, SystemRegister reg) {
  return MpidrAffinity(vcpu_id) << 32 | reg.packed();
}

}  // namespace firn::gicv5

#endif  // FIRN_ARCH_AARCH64_GICV5_REGISTERS_H_
