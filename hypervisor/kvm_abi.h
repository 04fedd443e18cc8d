// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The part of KVM's user-space interface for arm64 that the seam speaks: numbers and structs.
// Source: Linux include/uapi/linux/kvm.h and arch/arm64/include/uapi/asm/kvm.h,
// Documentation/virt/kvm/api.rst and devices/{vcpu,arm-vgic-v5,arm-vgic-v3}.rst. Defined here
// because an x86-64 build has x86's headers and no released header has VGICv5's;
// kvm_abi_test.cc asserts them against the system's where that has them.
#ifndef FIRN_HYPERVISOR_KVM_ABI_H_
#define FIRN_HYPERVISOR_KVM_ABI_H_

#include <cstdint>

namespace firn::kvm {

// KVM_CREATE_DEVICE types.
enum DeviceType : uint32_t {
  kDevTypeArmVgicV2 = 5,
  kDevTypeArmVgicV3 = 7,
  kDevTypeArmVgicIts = 8,
  kDevTypeArmVgicV5Early = 15,  // trees before LOONGARCH_DMSINTC took 15
  kDevTypeArmVgicV5 = 16,
};

// kvm_device_attr.group of a VGIC.
enum VgicGroup : uint32_t {
  kVgicGrpAddr = 0,
  kVgicGrpDistRegs = 1,
  kVgicGrpCpuRegs = 2,
  kVgicGrpNrIrqs = 3,
  kVgicGrpCtrl = 4,
  kVgicGrpRedistRegs = 5,
  kVgicGrpCpuSysregs = 6,
  kVgicGrpLevelInfo = 7,
  kVgicGrpItsRegs = 8,
  kVgicGrpMaintIrq = 9,
  kVgicGrpIrsRegs = 10,
  kVgicGrpIst = 11,
};

// Attributes of kVgicGrpCtrl.
enum VgicCtrl : uint64_t {
  kVgicCtrlInit = 0,
  kVgicCtrlItsSaveTables = 1,
  kVgicCtrlItsRestoreTables = 2,
  kVgicCtrlSavePendingTables = 3,
  kVgicCtrlItsReset = 4,
  kVgicCtrlUserspacePpis = 5,
};

// Attributes of kVgicGrpAddr.
enum VgicAddrType : uint64_t {
  kVgicV3AddrTypeDist = 2,
  kVgicV3AddrTypeRedist = 3,
  kVgicItsAddrType = 4,
  kVgicV3AddrTypeRedistRegion = 5,
  kVgicV5AddrTypeIrs = 6,
};

// The IRS region: CONFIG frame and SETLPI frame, 64 KiB each.
inline constexpr uint64_t kVgicV5IrsSize = 0x20000;

// What kVgicGrpIst points at in the merged series (dialect c).
struct VgicV5Ist {
  uint64_t spi_ist_addr;
  uint64_t spi_ist_size;
  uint64_t lpi_ist_addr;
  uint64_t lpi_ist_size;
};
static_assert(sizeof(VgicV5Ist) == 32);

// KVM_SET_USER_MEMORY_REGION flags.
enum MemoryRegionFlags : uint32_t {
  kMemLogDirtyPages = 1u << 0,
  kMemReadonly = 1u << 1,
};

// KVM_IRQFD flags.
enum IrqFdFlags : uint32_t {
  kIrqFdFlagDeassign = 1u << 0,
  kIrqFdFlagResample = 1u << 1,
};

// KVM_IOEVENTFD flags.
enum IoEventFdFlags : uint32_t {
  kIoEventFdFlagDatamatch = 1u << 0,
  kIoEventFdFlagDeassign = 1u << 2,
};

// KVM_IRQ_LINE: vcpu2[31:28] type[27:24] vcpu[23:16] number[15:0].
enum IrqType : uint32_t { kIrqTypeCpu = 0, kIrqTypeSpi = 1, kIrqTypePpi = 2 };
constexpr uint32_t IrqLineNumber(IrqType type, uint32_t number, uint32_t vcpu = 0) {
  return (vcpu >> 8) << 28 | type << 24 | (vcpu & 0xff) << 16 | (number & 0xffff);
}

// KVM_ARM_VCPU_INIT.
inline constexpr uint32_t kArmTargetGenericV8 = 5;
enum VcpuFeature : uint32_t {
  kArmVcpuPowerOff = 0,
  kArmVcpuEl1_32Bit = 1,
  kArmVcpuPsci02 = 2,
  kArmVcpuPmuV3 = 3,
  kArmVcpuSve = 4,
  kArmVcpuPtrauthAddress = 5,
  kArmVcpuPtrauthGeneric = 6,
  kArmVcpuHasEl2 = 7,
  kArmVcpuHasEl2E2h0 = 8,
};

struct VcpuInit {
  uint32_t target;
  uint32_t features[7];
};
static_assert(sizeof(VcpuInit) == 32);

// Groups and attributes of the vCPU as a device.
enum VcpuGroup : uint32_t {
  kVcpuPmuV3Ctrl = 0,
  kVcpuTimerCtrl = 1,
  kVcpuPvtimeCtrl = 2,
};
enum VcpuTimerAttr : uint64_t { kVcpuTimerIrqVtimer = 0, kVcpuTimerIrqPtimer = 1 };
enum VcpuPmuAttr : uint64_t { kVcpuPmuV3Irq = 0, kVcpuPmuV3Init = 1 };

// KVM_GET_MP_STATE, the states that arm64 has.
enum MpState : uint32_t { kMpStateRunnable = 0, kMpStateStopped = 5, kMpStateSuspended = 10 };

// KVM_GET_VCPU_EVENTS of arm64.
struct VcpuEvents {
  uint8_t serror_pending;
  uint8_t serror_has_esr;
  uint8_t ext_dabt_pending;
  uint8_t pad[5];
  uint64_t serror_esr;
  uint32_t reserved[12];
};
static_assert(sizeof(VcpuEvents) == 64);

// kvm_run.exit_reason.
enum ExitReason : uint32_t {
  kExitUnknown = 0,
  kExitMmio = 6,
  kExitShutdown = 8,
  kExitFailEntry = 9,
  kExitIntr = 10,
  kExitInternalError = 17,
  kExitSystemEvent = 24,
  kExitArmNisv = 28,
  kExitMemoryFault = 39,
};

// kvm_run.system_event.type.
enum SystemEvent : uint32_t {
  kSystemEventShutdown = 1,
  kSystemEventReset = 2,
  kSystemEventCrash = 3,
  kSystemEventWakeup = 4,
  kSystemEventSuspend = 5,
};

// KVM_CHECK_EXTENSION.
enum Capability : uint32_t {
  kCapIrqchip = 0,
  kCapUserMemory = 3,
  kCapNrVcpus = 9,
  kCapNrMemslots = 10,
  kCapMpState = 14,
  kCapIrqRouting = 25,
  kCapIrqfd = 32,
  kCapIoeventfd = 36,
  kCapVcpuEvents = 41,
  kCapMaxVcpus = 66,
  kCapOneReg = 70,
  kCapReadonlyMem = 81,
  kCapIrqfdResample = 82,
  kCapArmPsci = 87,
  kCapDeviceCtrl = 89,
  kCapArmPsci02 = 102,
  kCapArmPmuV3 = 126,
  kCapVcpuAttributes = 127,
  kCapMaxVcpuId = 128,
  kCapImmediateExit = 136,
  kCapArmVmIpaSize = 165,
  kCapArmSve = 170,
  kCapArmPtrauthAddress = 171,
  kCapArmPtrauthGeneric = 172,
  kCapArmIrqLineLayout2 = 174,
  kCapCounterOffset = 227,
  kCapPreFaultMemory = 236,
};

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_ABI_H_
