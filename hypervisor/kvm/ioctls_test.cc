// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Asserts ioctls.h against the system's headers: what all architectures share everywhere, arm64's
// part in an arm64 build; as literals what is newer than the oldest headers that firn builds with
// (Linux 6.1).
#include "hypervisor/kvm/ioctls.h"

#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <cstddef>
#include <set>

namespace firn::kvm {
namespace {

static_assert(kApiVersion == KVM_API_VERSION);
static_assert(kCreateDeviceTest == KVM_CREATE_DEVICE_TEST);
static_assert(kIrqRoutingIrqchip == KVM_IRQ_ROUTING_IRQCHIP);
static_assert(kIoctlType == KVMIO);

// Size and every field's place, against the kernel's struct of the same layout.
#define SAME_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs))
#define SAME_FIELD(ours, our_field, theirs, their_field)                      \
  static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) && \
                sizeof(ours::our_field) == sizeof(theirs::their_field))

SAME_SIZE(UserMemoryRegion, kvm_userspace_memory_region);
SAME_FIELD(UserMemoryRegion, slot, kvm_userspace_memory_region, slot);
SAME_FIELD(UserMemoryRegion, flags, kvm_userspace_memory_region, flags);
SAME_FIELD(UserMemoryRegion, guest_phys_addr, kvm_userspace_memory_region, guest_phys_addr);
SAME_FIELD(UserMemoryRegion, memory_size, kvm_userspace_memory_region, memory_size);
SAME_FIELD(UserMemoryRegion, userspace_addr, kvm_userspace_memory_region, userspace_addr);

SAME_SIZE(DirtyLog, kvm_dirty_log);
SAME_FIELD(DirtyLog, slot, kvm_dirty_log, slot);
SAME_FIELD(DirtyLog, dirty_bitmap, kvm_dirty_log, dirty_bitmap);

SAME_SIZE(CreateDevice, kvm_create_device);
SAME_FIELD(CreateDevice, type, kvm_create_device, type);
SAME_FIELD(CreateDevice, fd, kvm_create_device, fd);
SAME_FIELD(CreateDevice, flags, kvm_create_device, flags);

SAME_SIZE(DeviceAttr, kvm_device_attr);
SAME_FIELD(DeviceAttr, flags, kvm_device_attr, flags);
SAME_FIELD(DeviceAttr, group, kvm_device_attr, group);
SAME_FIELD(DeviceAttr, attr, kvm_device_attr, attr);
SAME_FIELD(DeviceAttr, addr, kvm_device_attr, addr);

SAME_SIZE(OneReg, kvm_one_reg);
SAME_FIELD(OneReg, id, kvm_one_reg, id);
SAME_FIELD(OneReg, addr, kvm_one_reg, addr);

// In C++ the empty struct of the kernel's __DECLARE_FLEX_ARRAY takes room: no sizeof of structs
// that end in one.
static_assert(sizeof(RegList) == 8);
SAME_FIELD(RegList, n, kvm_reg_list, n);

SAME_SIZE(IrqLevel, kvm_irq_level);
SAME_FIELD(IrqLevel, irq, kvm_irq_level, irq);
SAME_FIELD(IrqLevel, level, kvm_irq_level, level);

SAME_SIZE(Irqfd, kvm_irqfd);
SAME_FIELD(Irqfd, fd, kvm_irqfd, fd);
SAME_FIELD(Irqfd, gsi, kvm_irqfd, gsi);
SAME_FIELD(Irqfd, flags, kvm_irqfd, flags);
SAME_FIELD(Irqfd, resamplefd, kvm_irqfd, resamplefd);

SAME_SIZE(Ioeventfd, kvm_ioeventfd);
SAME_FIELD(Ioeventfd, datamatch, kvm_ioeventfd, datamatch);
SAME_FIELD(Ioeventfd, addr, kvm_ioeventfd, addr);
SAME_FIELD(Ioeventfd, len, kvm_ioeventfd, len);
SAME_FIELD(Ioeventfd, fd, kvm_ioeventfd, fd);
SAME_FIELD(Ioeventfd, flags, kvm_ioeventfd, flags);

SAME_SIZE(IrqRoutingEntry, kvm_irq_routing_entry);
SAME_FIELD(IrqRoutingEntry, gsi, kvm_irq_routing_entry, gsi);
SAME_FIELD(IrqRoutingEntry, type, kvm_irq_routing_entry, type);
SAME_FIELD(IrqRoutingEntry, flags, kvm_irq_routing_entry, flags);
SAME_FIELD(IrqRoutingEntry, irqchip, kvm_irq_routing_entry, u.irqchip.irqchip);
SAME_FIELD(IrqRoutingEntry, pin, kvm_irq_routing_entry, u.irqchip.pin);

static_assert(sizeof(IrqRouting) == 8);
SAME_FIELD(IrqRouting, nr, kvm_irq_routing, nr);
SAME_FIELD(IrqRouting, flags, kvm_irq_routing, flags);

SAME_SIZE(MpStateArgument, kvm_mp_state);
SAME_FIELD(MpStateArgument, mp_state, kvm_mp_state, mp_state);

SAME_FIELD(RunPage, immediate_exit, kvm_run, immediate_exit);
SAME_FIELD(RunPage, exit_reason, kvm_run, exit_reason);
SAME_FIELD(RunPage, flags, kvm_run, flags);
SAME_FIELD(RunPage, hw.hardware_exit_reason, kvm_run, hw.hardware_exit_reason);
SAME_FIELD(RunPage, fail_entry.hardware_entry_failure_reason, kvm_run,
           fail_entry.hardware_entry_failure_reason);
SAME_FIELD(RunPage, fail_entry.cpu, kvm_run, fail_entry.cpu);
SAME_FIELD(RunPage, mmio.phys_addr, kvm_run, mmio.phys_addr);
SAME_FIELD(RunPage, mmio.data, kvm_run, mmio.data);
SAME_FIELD(RunPage, mmio.len, kvm_run, mmio.len);
SAME_FIELD(RunPage, mmio.is_write, kvm_run, mmio.is_write);
SAME_FIELD(RunPage, internal.suberror, kvm_run, internal.suberror);
SAME_FIELD(RunPage, internal.ndata, kvm_run, internal.ndata);
SAME_FIELD(RunPage, internal.data, kvm_run, internal.data);
SAME_FIELD(RunPage, system_event.type, kvm_run, system_event.type);
SAME_FIELD(RunPage, system_event.ndata, kvm_run, system_event.ndata);
SAME_FIELD(RunPage, system_event.data, kvm_run, system_event.data);
SAME_FIELD(RunPage, arm_nisv.esr_iss, kvm_run, arm_nisv.esr_iss);
SAME_FIELD(RunPage, arm_nisv.fault_ipa, kvm_run, arm_nisv.fault_ipa);
SAME_FIELD(RunPage, padding, kvm_run, padding);
// Newer than 6.1: flags, gpa and size behind the 32 bytes that all exits share.
static_assert(offsetof(RunPage, memory_fault.flags) == 32);
static_assert(offsetof(RunPage, memory_fault.gpa) == 40);
static_assert(offsetof(RunPage, memory_fault.size) == 48);

static_assert(kGetApiVersion == KVM_GET_API_VERSION);
static_assert(kCreateVm == KVM_CREATE_VM);
static_assert(kCheckExtension == KVM_CHECK_EXTENSION);
static_assert(kGetVcpuMmapSize == KVM_GET_VCPU_MMAP_SIZE);
static_assert(kCreateVcpu == KVM_CREATE_VCPU);
static_assert(kGetDirtyLog == KVM_GET_DIRTY_LOG);
static_assert(kSetUserMemoryRegion == KVM_SET_USER_MEMORY_REGION);
static_assert(kIrqLine == KVM_IRQ_LINE);
static_assert(kSetGsiRouting == 0x4008ae6a);
static_assert(kIrqfd == KVM_IRQFD);
static_assert(kIoeventfd == KVM_IOEVENTFD);
static_assert(kArmPreferredTarget == 0x8020aeaf);
static_assert(kArmSetCounterOffset == 0x4010aeb5);
static_assert(kCreateDevice == KVM_CREATE_DEVICE);
static_assert(kRun == KVM_RUN);
static_assert(kGetMpState == KVM_GET_MP_STATE);
static_assert(kSetMpState == KVM_SET_MP_STATE);
static_assert(kGetVcpuEvents == 0x8040ae9f);  // its struct is arm64's own
static_assert(kSetVcpuEvents == 0x4040aea0);
static_assert(kGetOneReg == KVM_GET_ONE_REG);
static_assert(kSetOneReg == KVM_SET_ONE_REG);
static_assert(kArmVcpuInit == 0x4020aeae);
static_assert(kGetRegList == 0xc008aeb0);
static_assert(kArmVcpuFinalize == KVM_ARM_VCPU_FINALIZE);
static_assert(kPreFaultMemory == 0xc040aed5);
static_assert(kSetDeviceAttr == KVM_SET_DEVICE_ATTR);
static_assert(kGetDeviceAttr == KVM_GET_DEVICE_ATTR);
static_assert(kHasDeviceAttr == KVM_HAS_DEVICE_ATTR);
static_assert(sizeof(CounterOffset) == 16 && offsetof(CounterOffset, reserved) == 8);
static_assert(sizeof(PreFaultMemory) == 64 && offsetof(PreFaultMemory, size) == 8 &&
              offsetof(PreFaultMemory, flags) == 16);

#ifdef __aarch64__
static_assert(kGetVcpuEvents == KVM_GET_VCPU_EVENTS);
static_assert(kSetVcpuEvents == KVM_SET_VCPU_EVENTS);
static_assert(kArmVcpuInit == KVM_ARM_VCPU_INIT);
static_assert(kArmPreferredTarget == KVM_ARM_PREFERRED_TARGET);
#ifdef KVM_ARM_SET_COUNTER_OFFSET
static_assert(kArmSetCounterOffset == KVM_ARM_SET_COUNTER_OFFSET);
#endif
#endif

constexpr uint32_t kAll[] = {
    kGetApiVersion,
    kCreateVm,
    kCheckExtension,
    kGetVcpuMmapSize,
    kCreateVcpu,
    kGetDirtyLog,
    kIrqLine,
    kSetUserMemoryRegion,
    kSetGsiRouting,
    kIrqfd,
    kIoeventfd,
    kCreateDevice,
    kArmSetCounterOffset,
    kRun,
    kArmPreferredTarget,
    kGetMpState,
    kSetMpState,
    kGetVcpuEvents,
    kSetVcpuEvents,
    kGetOneReg,
    kSetOneReg,
    kArmVcpuInit,
    kGetRegList,
    kArmVcpuFinalize,
    kPreFaultMemory,
    kSetDeviceAttr,
    kGetDeviceAttr,
    kHasDeviceAttr,
};

TEST(RequestNameTest, EveryRequestHasItsOwnKernelName) {
  std::set<std::string_view> names;
  for (const uint32_t request : kAll) {
    const std::string_view name = RequestName(request);
    EXPECT_TRUE(name.starts_with("KVM_")) << std::hex << request;
    EXPECT_TRUE(names.insert(name).second) << name << " names two requests";
  }
  EXPECT_EQ(RequestName(KVM_CREATE_VM), "KVM_CREATE_VM");
  EXPECT_EQ(RequestName(KVM_SET_USER_MEMORY_REGION), "KVM_SET_USER_MEMORY_REGION");
  EXPECT_EQ(RequestName(KVM_RUN), "KVM_RUN");
}

TEST(RequestNameTest, OthersAreUnknown) {
  EXPECT_EQ(RequestName(0), "an unknown KVM request");
  // KVM_CREATE_VM of another ioctl type.
  EXPECT_EQ(RequestName(0xaf01), "an unknown KVM request");
}

}  // namespace
}  // namespace firn::kvm
