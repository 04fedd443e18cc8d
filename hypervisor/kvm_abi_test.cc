// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Asserts the definitions of kvm_abi.h and register_id.h against the system's headers: the
// generic part everywhere, the arm64 part in an arm64 build.
#include "hypervisor/kvm_abi.h"

#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <cstddef>

#include "hypervisor/register_id.h"

namespace firn {
namespace {

static_assert(uint32_t{kvm::kDevTypeArmVgicV2} == uint32_t{KVM_DEV_TYPE_ARM_VGIC_V2});
static_assert(uint32_t{kvm::kDevTypeArmVgicV3} == uint32_t{KVM_DEV_TYPE_ARM_VGIC_V3});
static_assert(uint32_t{kvm::kDevTypeArmVgicIts} == uint32_t{KVM_DEV_TYPE_ARM_VGIC_ITS});
static_assert(kvm::kMemLogDirtyPages == KVM_MEM_LOG_DIRTY_PAGES);
static_assert(kvm::kMemReadonly == KVM_MEM_READONLY);
static_assert(kvm::kIrqFdFlagDeassign == KVM_IRQFD_FLAG_DEASSIGN);
static_assert(kvm::kIrqFdFlagResample == KVM_IRQFD_FLAG_RESAMPLE);
static_assert(kvm::kIoEventFdFlagDatamatch == KVM_IOEVENTFD_FLAG_DATAMATCH);
static_assert(kvm::kIoEventFdFlagDeassign == KVM_IOEVENTFD_FLAG_DEASSIGN);
static_assert(kvm::kMpStateRunnable == KVM_MP_STATE_RUNNABLE);
static_assert(kvm::kMpStateStopped == KVM_MP_STATE_STOPPED);
static_assert(kvm::kExitMmio == KVM_EXIT_MMIO);
static_assert(kvm::kExitShutdown == KVM_EXIT_SHUTDOWN);
static_assert(kvm::kExitFailEntry == KVM_EXIT_FAIL_ENTRY);
static_assert(kvm::kExitIntr == KVM_EXIT_INTR);
static_assert(kvm::kExitInternalError == KVM_EXIT_INTERNAL_ERROR);
static_assert(kvm::kExitSystemEvent == KVM_EXIT_SYSTEM_EVENT);
static_assert(kvm::kExitArmNisv == KVM_EXIT_ARM_NISV);
static_assert(kvm::kSystemEventShutdown == KVM_SYSTEM_EVENT_SHUTDOWN);
static_assert(kvm::kSystemEventReset == KVM_SYSTEM_EVENT_RESET);
static_assert(kvm::kSystemEventCrash == KVM_SYSTEM_EVENT_CRASH);
static_assert(kvm::kCapIrqchip == KVM_CAP_IRQCHIP);
static_assert(kvm::kCapUserMemory == KVM_CAP_USER_MEMORY);
static_assert(kvm::kCapNrVcpus == KVM_CAP_NR_VCPUS);
static_assert(kvm::kCapNrMemslots == KVM_CAP_NR_MEMSLOTS);
static_assert(kvm::kCapMpState == KVM_CAP_MP_STATE);
static_assert(kvm::kCapIrqRouting == KVM_CAP_IRQ_ROUTING);
static_assert(kvm::kCapIrqfd == KVM_CAP_IRQFD);
static_assert(kvm::kCapIoeventfd == KVM_CAP_IOEVENTFD);
static_assert(kvm::kCapVcpuEvents == KVM_CAP_VCPU_EVENTS);
static_assert(kvm::kCapMaxVcpus == KVM_CAP_MAX_VCPUS);
static_assert(kvm::kCapOneReg == KVM_CAP_ONE_REG);
static_assert(kvm::kCapReadonlyMem == KVM_CAP_READONLY_MEM);
static_assert(kvm::kCapIrqfdResample == KVM_CAP_IRQFD_RESAMPLE);
static_assert(kvm::kCapArmPsci == KVM_CAP_ARM_PSCI);
static_assert(kvm::kCapDeviceCtrl == KVM_CAP_DEVICE_CTRL);
static_assert(kvm::kCapArmPsci02 == KVM_CAP_ARM_PSCI_0_2);
static_assert(kvm::kCapArmPmuV3 == KVM_CAP_ARM_PMU_V3);
static_assert(kvm::kCapVcpuAttributes == KVM_CAP_VCPU_ATTRIBUTES);
static_assert(kvm::kCapMaxVcpuId == KVM_CAP_MAX_VCPU_ID);
static_assert(kvm::kCapImmediateExit == KVM_CAP_IMMEDIATE_EXIT);
static_assert(kvm::kCapArmVmIpaSize == KVM_CAP_ARM_VM_IPA_SIZE);
static_assert(kvm::kCapArmSve == KVM_CAP_ARM_SVE);
static_assert(kvm::kCapArmPtrauthAddress == KVM_CAP_ARM_PTRAUTH_ADDRESS);
static_assert(kvm::kCapArmPtrauthGeneric == KVM_CAP_ARM_PTRAUTH_GENERIC);
static_assert(kvm::kCapArmIrqLineLayout2 == KVM_CAP_ARM_IRQ_LINE_LAYOUT_2);
static_assert(kvm::kRegArm64 == KVM_REG_ARM64);
static_assert(kvm::kRegSizeMask == KVM_REG_SIZE_MASK);
static_assert(kvm::kRegSizeU32 == KVM_REG_SIZE_U32);
static_assert(kvm::kRegSizeU64 == KVM_REG_SIZE_U64);
static_assert(kvm::kRegSizeU128 == KVM_REG_SIZE_U128);

#ifdef __aarch64__
static_assert(kvm::kArmTargetGenericV8 == KVM_ARM_TARGET_GENERIC_V8);
static_assert(kvm::kArmVcpuPowerOff == KVM_ARM_VCPU_POWER_OFF);
static_assert(kvm::kArmVcpuPsci02 == KVM_ARM_VCPU_PSCI_0_2);
static_assert(kvm::kArmVcpuPmuV3 == KVM_ARM_VCPU_PMU_V3);
static_assert(kvm::kArmVcpuSve == KVM_ARM_VCPU_SVE);
static_assert(sizeof(kvm::VcpuInit) == sizeof(kvm_vcpu_init));
static_assert(sizeof(kvm::VcpuEvents) == sizeof(kvm_vcpu_events));
static_assert(offsetof(kvm::VcpuEvents, serror_esr) ==
              offsetof(kvm_vcpu_events, exception.serror_esr));
static_assert(kvm::kVgicGrpAddr == KVM_DEV_ARM_VGIC_GRP_ADDR);
static_assert(kvm::kVgicGrpNrIrqs == KVM_DEV_ARM_VGIC_GRP_NR_IRQS);
static_assert(kvm::kVgicGrpCtrl == KVM_DEV_ARM_VGIC_GRP_CTRL);
static_assert(kvm::kVgicGrpCpuSysregs == KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS);
static_assert(kvm::kVgicV3AddrTypeDist == KVM_VGIC_V3_ADDR_TYPE_DIST);
static_assert(kvm::kVgicV3AddrTypeRedist == KVM_VGIC_V3_ADDR_TYPE_REDIST);
static_assert(kvm::kVgicV3AddrTypeRedistRegion == KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION);
static_assert(kvm::kVgicItsAddrType == KVM_VGIC_ITS_ADDR_TYPE);
static_assert(kvm::kArmVcpuPtrauthAddress == KVM_ARM_VCPU_PTRAUTH_ADDRESS);
static_assert(kvm::kArmVcpuPtrauthGeneric == KVM_ARM_VCPU_PTRAUTH_GENERIC);
static_assert(kvm::kVcpuPmuV3Irq == KVM_ARM_VCPU_PMU_V3_IRQ);
static_assert(kvm::kVcpuPmuV3Init == KVM_ARM_VCPU_PMU_V3_INIT);
static_assert(kvm::kSveVectorLengths == KVM_REG_ARM64_SVE_VLS);
static_assert(kvm::kVgicCtrlInit == KVM_DEV_ARM_VGIC_CTRL_INIT);
static_assert(kvm::kVcpuPmuV3Ctrl == KVM_ARM_VCPU_PMU_V3_CTRL);
static_assert(kvm::kVcpuTimerCtrl == KVM_ARM_VCPU_TIMER_CTRL);
static_assert(kvm::CoreX(3) == (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                                KVM_REG_ARM_CORE_REG(regs.regs[3])));
static_assert(kvm::kCorePstate == (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                                   KVM_REG_ARM_CORE_REG(regs.pstate)));
static_assert(kvm::CoreV(31) == (KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |
                                 KVM_REG_ARM_CORE_REG(fp_regs.vregs[31])));
static_assert(kvm::kCoreFpcr == (KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE |
                                 KVM_REG_ARM_CORE_REG(fp_regs.fpcr)));
static_assert(kvm::kTimerCval == KVM_REG_ARM_TIMER_CVAL);
static_assert(kvm::kTimerCnt == KVM_REG_ARM_TIMER_CNT);
static_assert(kvm::kPsciVersion == KVM_REG_ARM_PSCI_VERSION);
#endif

// gicv5-reference 1.8 and 1.12 give these numbers.
TEST(RegisterIdTest, PacksSystemRegisterNames) {
  EXPECT_EQ((SystemRegister{3, 0, 12, 10, 4}.packed()), 0xC654);
  EXPECT_EQ((SystemRegister{3, 1, 12, 0, 1}.packed()), 0xCE01);
  EXPECT_EQ((SystemRegister{3, 0, 12, 15, 7}.packed()), 0xC67F);
  EXPECT_EQ(SystemRegister::Unpack(0xC654), (SystemRegister{3, 0, 12, 10, 4}));
  EXPECT_EQ(kvm::kMpidrEl1, 0x603000000013C005u);
  EXPECT_EQ(kvm::kEsrEl1, 0x603000000013C290u);
  EXPECT_EQ(kvm::kFarEl1, 0x603000000013C300u);
  EXPECT_EQ(kvm::kIdAa64Pfr2El1, 0x603000000013C022u);
  EXPECT_EQ(kvm::kTimerCval, 0x603000000013DF02u);
  EXPECT_EQ(kvm::kTimerCnt, 0x603000000013DF1Au);
  EXPECT_EQ(kvm::kPsciVersion, 0x6030000000140000u);
}

TEST(RegisterIdTest, KnowsSizes) {
  EXPECT_EQ(kvm::RegisterSize(kvm::kCoreFpsr), 4u);
  EXPECT_EQ(kvm::RegisterSize(kvm::kCorePc), 8u);
  EXPECT_EQ(kvm::RegisterSize(kvm::CoreV(0)), 16u);
  EXPECT_EQ(kvm::RegisterSize(kvm::kSveVectorLengths), 64u);
}

TEST(RegisterIdTest, SpreadsVcpuIdsOverAffinityFields) {
  EXPECT_EQ(MpidrAffinity(3), 3u);
  EXPECT_EQ(MpidrAffinity(17), 0x0101u);
  EXPECT_EQ(MpidrAffinity(0x1000), 0x10000u);
}

TEST(KvmAbiTest, PacksIrqLineNumbers) {
  EXPECT_EQ(kvm::IrqLineNumber(kvm::kIrqTypeSpi, 5), 0x01000005u);
  EXPECT_EQ(kvm::IrqLineNumber(kvm::kIrqTypePpi, 3, 2), 0x02020003u);
  EXPECT_EQ(kvm::IrqLineNumber(kvm::kIrqTypePpi, 3, 257), 0x12010003u);
}

}  // namespace
}  // namespace firn
