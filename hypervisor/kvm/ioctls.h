// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Request numbers and argument structs of KVM's ioctls on arm64, as far as the kvm backend makes
// them. The values that the seam itself speaks are in hypervisor/kvm_abi.h.
// Source: Linux include/uapi/linux/kvm.h, Documentation/virt/kvm/api.rst. Defined here because
// some of them differ on x86-64, where the unit tests run; ioctls_test.cc asserts them against
// the system's headers.
#ifndef FIRN_HYPERVISOR_KVM_IOCTLS_H_
#define FIRN_HYPERVISOR_KVM_IOCTLS_H_

#include <linux/ioctl.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hypervisor/kvm_abi.h"

namespace firn::kvm {

inline constexpr int kApiVersion = 12;  // the only one since Linux 2.6.22

struct UserMemoryRegion {
  uint32_t slot;
  uint32_t flags;  // MemoryRegionFlags
  uint64_t guest_phys_addr;
  uint64_t memory_size;
  uint64_t userspace_addr;
};

struct DirtyLog {
  uint32_t slot;
  uint32_t padding;
  uint64_t dirty_bitmap;  // user address, a bit per host page, rounded up to 64 bits
};

struct CreateDevice {
  uint32_t type;  // DeviceType
  uint32_t fd;    // out
  uint32_t flags;
};
inline constexpr uint32_t kCreateDeviceTest = 1;

struct DeviceAttr {
  uint32_t flags;
  uint32_t group;
  uint64_t attr;
  uint64_t addr;
};

struct OneReg {
  uint64_t id;
  uint64_t addr;
};

// Followed by n ids of 64 bits.
struct RegList {
  uint64_t n;
};

struct IrqLevel {
  uint32_t irq;
  uint32_t level;
};

struct Irqfd {
  uint32_t fd;
  uint32_t gsi;
  uint32_t flags;  // IrqFdFlags
  uint32_t resamplefd;
  uint8_t pad[16];
};

struct Ioeventfd {
  uint64_t datamatch;
  uint64_t addr;
  uint32_t len;
  int32_t fd;
  uint32_t flags;  // IoEventFdFlags
  uint8_t pad[36];
};

// The irqchip form of kvm_irq_routing_entry.
struct IrqRoutingEntry {
  uint32_t gsi;
  uint32_t type;
  uint32_t flags;
  uint32_t pad;
  uint32_t irqchip;
  uint32_t pin;
  uint32_t unused[6];
};
inline constexpr uint32_t kIrqRoutingIrqchip = 1;

// Followed by nr entries.
struct IrqRouting {
  uint32_t nr;
  uint32_t flags;
};

struct CounterOffset {
  uint64_t counter_offset;
  uint64_t reserved;
};

struct PreFaultMemory {
  uint64_t gpa;   // in and out: advances
  uint64_t size;  // in and out: shrinks
  uint64_t flags;
  uint64_t padding[5];
};

struct MpStateArgument {
  uint32_t mp_state;
};

// kvm_run: what KVM and user space share of a vCPU.
struct RunPage {
  uint8_t request_interrupt_window;
  uint8_t immediate_exit;
  uint8_t padding1[6];
  uint32_t exit_reason;  // ExitReason
  uint8_t ready_for_interrupt_injection;
  uint8_t if_flag;
  uint16_t flags;
  uint64_t cr8;
  uint64_t apic_base;
  union {
    struct {
      uint64_t hardware_exit_reason;
    } hw;
    struct {
      uint64_t hardware_entry_failure_reason;
      uint32_t cpu;
    } fail_entry;
    struct {
      uint64_t phys_addr;
      uint8_t data[8];
      uint32_t len;
      uint8_t is_write;
    } mmio;
    struct {
      uint32_t suberror;
      uint32_t ndata;
      uint64_t data[16];
    } internal;
    struct {
      uint32_t type;  // SystemEvent
      uint32_t ndata;
      uint64_t data[16];
    } system_event;
    struct {
      uint64_t esr_iss;
      uint64_t fault_ipa;
    } arm_nisv;
    struct {
      uint64_t flags;
      uint64_t gpa;
      uint64_t size;
    } memory_fault;
    uint8_t padding[256];
  };
};

inline constexpr uint32_t kIoctlType = 0xae;

#define FIRN_KVM_NONE(number) _IO(kIoctlType, number)
#define FIRN_KVM_IN(number, type) _IOW(kIoctlType, number, type)
#define FIRN_KVM_OUT(number, type) _IOR(kIoctlType, number, type)
#define FIRN_KVM_INOUT(number, type) _IOWR(kIoctlType, number, type)

enum Request : uint32_t {
  // /dev/kvm
  kGetApiVersion = FIRN_KVM_NONE(0x00),
  kCreateVm = FIRN_KVM_NONE(0x01),
  kCheckExtension = FIRN_KVM_NONE(0x03),  // also on a VM
  kGetVcpuMmapSize = FIRN_KVM_NONE(0x04),
  // a VM
  kCreateVcpu = FIRN_KVM_NONE(0x41),
  kGetDirtyLog = FIRN_KVM_IN(0x42, DirtyLog),
  kSetUserMemoryRegion = FIRN_KVM_IN(0x46, UserMemoryRegion),
  kIrqLine = FIRN_KVM_IN(0x61, IrqLevel),
  kSetGsiRouting = FIRN_KVM_IN(0x6a, IrqRouting),
  kIrqfd = FIRN_KVM_IN(0x76, Irqfd),
  kIoeventfd = FIRN_KVM_IN(0x79, Ioeventfd),
  kArmPreferredTarget = FIRN_KVM_OUT(0xaf, VcpuInit),
  kArmSetCounterOffset = FIRN_KVM_IN(0xb5, CounterOffset),
  kCreateDevice = FIRN_KVM_INOUT(0xe0, CreateDevice),
  // a vCPU
  kRun = FIRN_KVM_NONE(0x80),
  kGetMpState = FIRN_KVM_OUT(0x98, MpStateArgument),
  kSetMpState = FIRN_KVM_IN(0x99, MpStateArgument),
  kGetVcpuEvents = FIRN_KVM_OUT(0x9f, VcpuEvents),
  kSetVcpuEvents = FIRN_KVM_IN(0xa0, VcpuEvents),
  kGetOneReg = FIRN_KVM_IN(0xab, OneReg),
  kSetOneReg = FIRN_KVM_IN(0xac, OneReg),
  kArmVcpuInit = FIRN_KVM_IN(0xae, VcpuInit),
  kGetRegList = FIRN_KVM_INOUT(0xb0, RegList),
  kArmVcpuFinalize = FIRN_KVM_IN(0xc2, int),
  kPreFaultMemory = FIRN_KVM_INOUT(0xd5, PreFaultMemory),
  // a device or a vCPU
  kSetDeviceAttr = FIRN_KVM_IN(0xe1, DeviceAttr),
  kGetDeviceAttr = FIRN_KVM_IN(0xe2, DeviceAttr),
  kHasDeviceAttr = FIRN_KVM_IN(0xe3, DeviceAttr),
};

#undef FIRN_KVM_NONE
#undef FIRN_KVM_IN
#undef FIRN_KVM_OUT
#undef FIRN_KVM_INOUT

// "KVM_CREATE_VM"; "an unknown KVM request" for a number that is not above.
std::string_view RequestName(uint32_t request);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_IOCTLS_H_
