// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// FakeKvm refuses what KVM refuses: raw calls, as a program makes them that is wrong.
#include "hypervisor/kvm/testing/fake_kvm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "hypervisor/event_fd.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_kvm_fixture.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/software_hypervisor.h"

namespace firn::kvm::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uintptr_t kBadAddress = 1;

// ---- Files

TEST_F(FakeKvmTest, RequestsGoToTheirOwnKindOfFile) {
  const int vcpu = NewVcpu(0);
  EXPECT_EQ(kernel_.Ioctl(kvm_, kCreateVcpu, 0), -EINVAL);
  EXPECT_EQ(kernel_.Ioctl(vm_, kGetApiVersion, 0), -EINVAL);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kCheckExtension, 0), -EINVAL);
  EXPECT_EQ(kernel_.Ioctl(Create(kDevTypeArmVgicV5), kRun, 0), -ENOTTY);
  EXPECT_EQ(kernel_.Ioctl(3, kRun, 0), -EBADF);  // a file of the process itself
  EXPECT_EQ(kernel_.Open("/dev/null"), -ENOENT);
}

TEST_F(FakeKvmTest, ARequestOfAnotherSizeIsUnknown) {
  UserMemoryRegion region = {};
  constexpr uint32_t kRegion2 = 0x40a0ae49;
  EXPECT_EQ(Call(vm_, kRegion2, region), -EINVAL);
  EXPECT_EQ(Call(vm_, kSetUserMemoryRegion + (1 << 16), region), -EINVAL);
}

TEST_F(FakeKvmTest, NamesWhatIsOpenAndMapped) {
  const int vcpu = NewVcpu(3);
  int error = 0;
  void* run = kernel_.Map(vcpu, 8192, error);
  ASSERT_NE(run, nullptr);
  EXPECT_THAT(kernel_.open_fds(), ElementsAre("/dev/kvm", "VM", "vCPU 3"));
  EXPECT_THAT(kernel_.mappings(), ElementsAre("vCPU 3"));
  // The files may go in any order: each keeps what it needs.
  kernel_.Close(kvm_);
  kernel_.Close(vm_);
  EXPECT_EQ(Init(vcpu), 0);
  kernel_.Close(vcpu);
  static_cast<RunPage*>(run)->immediate_exit = 1;
  kernel_.Unmap(run, 8192);
  EXPECT_THAT(kernel_.open_fds(), IsEmpty());
  EXPECT_THAT(kernel_.mappings(), IsEmpty());
  EXPECT_THAT(kernel_.misuse(), IsEmpty());
}

TEST_F(FakeKvmTest, SecondCloseAndWrongUnmapAreMisuse) {
  kernel_.Close(vm_);
  kernel_.Close(vm_);
  EXPECT_THAT(kernel_.misuse(), SizeIs(1));
  EXPECT_EQ(kernel_.Ioctl(vm_, kCheckExtension, 0), -EBADF);
  int byte = 0;
  kernel_.Unmap(&byte, 8192);
  EXPECT_THAT(kernel_.misuse(), SizeIs(2));
}

TEST_F(FakeKvmTest, OnlyVcpusCanBeMapped) {
  int error = 0;
  EXPECT_EQ(kernel_.Map(vm_, 8192, error), nullptr);
  EXPECT_EQ(error, ENODEV);
  EXPECT_EQ(kernel_.Map(99, 8192, error), nullptr);
  EXPECT_EQ(error, EBADF);
  EXPECT_EQ(kernel_.Map(NewVcpu(0), 1 << 20, error), nullptr);
  EXPECT_EQ(error, EINVAL);
}

// ---- VM

TEST_F(FakeKvmTest, EveryStructIsReadFromUserMemory) {
  for (const uint32_t request :
       {uint32_t{kSetUserMemoryRegion}, uint32_t{kGetDirtyLog}, uint32_t{kIrqLine},
        uint32_t{kSetGsiRouting}, uint32_t{kIrqfd}, uint32_t{kIoeventfd},
        uint32_t{kArmSetCounterOffset}, uint32_t{kCreateDevice}, uint32_t{kArmPreferredTarget}}) {
    EXPECT_EQ(kernel_.Ioctl(vm_, request, kBadAddress), -EFAULT) << RequestName(request);
  }
  const int vcpu = NewVcpu(0);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kArmVcpuInit, kBadAddress), -EFAULT);
  ASSERT_EQ(Init(vcpu), 0);
  for (const uint32_t request :
       {uint32_t{kGetOneReg}, uint32_t{kSetOneReg}, uint32_t{kGetRegList}, uint32_t{kGetMpState},
        uint32_t{kSetMpState}, uint32_t{kGetVcpuEvents}, uint32_t{kSetVcpuEvents},
        uint32_t{kArmVcpuFinalize}, uint32_t{kHasDeviceAttr}}) {
    EXPECT_EQ(kernel_.Ioctl(vcpu, request, kBadAddress), -EFAULT) << RequestName(request);
  }
}

TEST_F(FakeKvmTest, VmTypes) {
  EXPECT_EQ(kernel_.Ioctl(kvm_, kCreateVm, 31), -EINVAL);
  EXPECT_EQ(kernel_.Ioctl(kvm_, kCreateVm, 41), -EINVAL);
  EXPECT_EQ(kernel_.Ioctl(kvm_, kCreateVm, 0x128), -EINVAL);
  EXPECT_GE(kernel_.Ioctl(kvm_, kCreateVm, 0), 0);
}

TEST_F(FakeKvmTest, MemoryRegions) {
  void* host = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(host, MAP_FAILED);
  UserMemoryRegion region = {.slot = 0,
                             .flags = 0,
                             .guest_phys_addr = 0x40000000,
                             .memory_size = 8192,
                             .userspace_addr = reinterpret_cast<uintptr_t>(host)};
  EXPECT_EQ(Call(vm_, kSetUserMemoryRegion, region), 0);
  region.slot = 1;
  EXPECT_EQ(Call(vm_, kSetUserMemoryRegion, region), -EEXIST);
  region.slot = 32;
  EXPECT_EQ(Call(vm_, kSetUserMemoryRegion, region), -EINVAL);
  region.slot = 1;
  region.guest_phys_addr = 0x50000800;
  EXPECT_EQ(Call(vm_, kSetUserMemoryRegion, region), -EINVAL);
  region.guest_phys_addr = 0x50000000;
  region.flags = 1u << 7;
  EXPECT_EQ(Call(vm_, kSetUserMemoryRegion, region), -EINVAL);
  munmap(host, 8192);
}

TEST_F(FakeKvmTest, VcpuIds) {
  const int vcpu = NewVcpu(5);
  EXPECT_GE(vcpu, 0);
  EXPECT_EQ(NewVcpu(5), -EEXIST);
  EXPECT_EQ(NewVcpu(512), -EINVAL);
}

TEST_F(FakeKvmTest, IrqfdsWantAnInitialisedGic) {
  const EventFd event = *EventFd::Create();
  Irqfd irqfd = {};
  irqfd.fd = static_cast<uint32_t>(event.fd());
  irqfd.gsi = 1;
  EXPECT_EQ(Call(vm_, kIrqfd, irqfd), -EAGAIN);
  irqfd.flags = 1u << 5;
  EXPECT_EQ(Call(vm_, kIrqfd, irqfd), -EINVAL);
}

TEST_F(FakeKvmTest, GsiRoutes) {
  struct {
    IrqRouting header;
    IrqRoutingEntry entry;
  } routing = {};
  routing.header.nr = 1;
  routing.entry.gsi = 1;
  routing.entry.type = kIrqRoutingIrqchip;
  EXPECT_EQ(Call(vm_, kSetGsiRouting, routing), 0);
  routing.entry.irqchip = 1;
  EXPECT_EQ(Call(vm_, kSetGsiRouting, routing), -EINVAL);
  routing.entry.irqchip = 0;
  routing.entry.type = 2;  // KVM_IRQ_ROUTING_MSI
  EXPECT_EQ(Call(vm_, kSetGsiRouting, routing), -EINVAL);
  routing.header.nr = 4097;
  EXPECT_EQ(Call(vm_, kSetGsiRouting, routing), -EINVAL);
}

TEST_F(FakeKvmTest, DeviceTypes) {
  EXPECT_EQ(Create(kDevTypeArmVgicV5, kCreateDeviceTest), 0);
  EXPECT_EQ(Create(kDevTypeArmVgicV5Early, kCreateDeviceTest), -ENODEV);
  EXPECT_EQ(Create(kDevTypeArmVgicV3, kCreateDeviceTest), -ENODEV);
  const int gic = Create(kDevTypeArmVgicV5);
  EXPECT_GE(gic, 0);
  EXPECT_EQ(Create(kDevTypeArmVgicV5), -EEXIST);
  EXPECT_EQ(Attribute(gic, kHasDeviceAttr, kVgicGrpAddr, kVgicV5AddrTypeIrs), 0);
  EXPECT_EQ(Attribute(gic, kHasDeviceAttr, kVgicGrpAddr, kVgicV5AddrTypeIrs, 0, /*flags=*/1),
            -EINVAL);
  EXPECT_EQ(Attribute(gic, kSetDeviceAttr, kVgicGrpAddr, kVgicV5AddrTypeIrs, kBadAddress), -EFAULT);
  EXPECT_EQ(Set(gic, kVgicGrpAddr, kVgicV5AddrTypeIrs, uint64_t{0x08001000}), -EINVAL);
  EXPECT_EQ(Set(gic, kVgicGrpAddr, kVgicV5AddrTypeIrs, uint64_t{0x08000000}), 0);
  EXPECT_EQ(Set(gic, kVgicGrpAddr, kVgicV5AddrTypeIrs, uint64_t{0x08000000}), -EEXIST);
}

// ---- vCPU

TEST_F(FakeKvmTest, NothingBeforeInit) {
  const int vcpu = NewVcpu(0);
  OneReg reg = {};
  RegList list = {};
  MpStateArgument state = {};
  VcpuEvents events = {};
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -ENOEXEC);
  EXPECT_EQ(Call(vcpu, kGetOneReg, reg), -ENOEXEC);
  EXPECT_EQ(Call(vcpu, kGetRegList, list), -ENOEXEC);
  EXPECT_EQ(Call(vcpu, kGetMpState, state), -ENOEXEC);
  EXPECT_EQ(Call(vcpu, kGetVcpuEvents, events), -ENOEXEC);
}

TEST_F(FakeKvmTest, Features) {
  const int first = NewVcpu(0), second = NewVcpu(1);
  EXPECT_EQ(Init(first, 1u << 20), -ENOENT);
  EXPECT_EQ(Init(first, 1u << kArmVcpuSve), -EINVAL);  // this host has none
  EXPECT_EQ(Init(first), 0);
  EXPECT_EQ(Init(second, 0), -EINVAL);  // unlike the first
}

TEST_F(FakeKvmTest, RegisterListSaysHowLongItIs) {
  const int vcpu = NewVcpu(0);
  ASSERT_EQ(Init(vcpu), 0);
  RegList list = {.n = 0};
  EXPECT_EQ(Call(vcpu, kGetRegList, list), -E2BIG);
  ASSERT_GT(list.n, 0u);
  std::vector<uint64_t> ids(1 + list.n);
  ids[0] = list.n;
  EXPECT_EQ(Call(vcpu, kGetRegList, ids[0]), 0);
  uint64_t value = 0;
  OneReg reg = {.id = ids[1], .addr = kBadAddress};
  EXPECT_EQ(Call(vcpu, kGetOneReg, reg), -EFAULT);
  reg = {.id = 0x2030000000100000, .addr = reinterpret_cast<uintptr_t>(&value)};  // x86
  EXPECT_EQ(Call(vcpu, kGetOneReg, reg), -EINVAL);
  reg.id = kCorePc ^ 0x1000;
  EXPECT_EQ(Call(vcpu, kGetOneReg, reg), -ENOENT);
}

TEST_F(FakeKvmTest, RunBeforeTheGicIsInitialisedKillsTheVm) {
  const int gic = Create(kDevTypeArmVgicV5);
  const int vcpu = NewVcpu(0);
  ASSERT_EQ(Init(vcpu), 0);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 1), -EINVAL);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -EBUSY);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -EIO);
  EXPECT_EQ(Attribute(gic, kHasDeviceAttr, kVgicGrpAddr, kVgicV5AddrTypeIrs), -EIO);
}

class FeatureHostTest : public FakeKvmTest {
 protected:
  static FakeHost Host() {
    FakeHost host = Gicv5Host();
    host.capabilities[170] = 1;                           // KVM_CAP_ARM_SVE
    host.capabilities[171] = host.capabilities[172] = 1;  // KVM_CAP_ARM_PTRAUTH_*
    host.capabilities[kCapArmPmuV3] = 1;
    host.capabilities[236] = 1;  // KVM_CAP_PRE_FAULT_MEMORY
    return host;
  }
  FeatureHostTest() : FakeKvmTest(Host()) {}
};

TEST_F(FeatureHostTest, SveIsFinalizedOnce) {
  const int vcpu = NewVcpu(0);
  ASSERT_EQ(Init(vcpu, 1u << kArmVcpuPsci02 | 1u << kArmVcpuSve), 0);
  std::array<uint64_t, 8> lengths = {};
  OneReg reg = {.id = 0x606000000015ffff, .addr = reinterpret_cast<uintptr_t>(&lengths)};
  EXPECT_EQ(Call(vcpu, kGetOneReg, reg), 0);
  EXPECT_EQ(lengths[0], 1u);
  EXPECT_EQ(Call(vcpu, kSetOneReg, reg), 0);
  RegList list = {.n = 0};
  EXPECT_EQ(Call(vcpu, kGetRegList, list), -EPERM);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -EPERM);
  int feature = kArmVcpuPmuV3;
  EXPECT_EQ(Call(vcpu, kArmVcpuFinalize, feature), -EINVAL);
  feature = kArmVcpuSve;
  EXPECT_EQ(Call(vcpu, kArmVcpuFinalize, feature), 0);
  EXPECT_EQ(Call(vcpu, kArmVcpuFinalize, feature), -EPERM);
  EXPECT_EQ(Call(vcpu, kSetOneReg, reg), -EPERM);
  EXPECT_EQ(Call(vcpu, kGetRegList, list), -E2BIG);
}

TEST_F(FeatureHostTest, PtrauthIsBothOrNone) {
  const int vcpu = NewVcpu(0);
  EXPECT_EQ(Init(vcpu, 1u << kArmVcpuPtrauthAddress), -EINVAL);
  EXPECT_EQ(Init(vcpu, 1u << kArmVcpuPtrauthAddress | 1u << kArmVcpuPtrauthGeneric), 0);
}

// gicv5-reference 1.13.
TEST_F(FeatureHostTest, PmuOfAGicv5Guest) {
  const int gic = Create(kDevTypeArmVgicV5);
  const int vcpu = NewVcpu(0);
  ASSERT_EQ(Init(vcpu, 1u << kArmVcpuPsci02 | 1u << kArmVcpuPmuV3), 0);
  EXPECT_EQ(Attribute(vcpu, kHasDeviceAttr, kVcpuPmuV3Ctrl, kVcpuPmuV3Irq), 0);
  EXPECT_EQ(Set(vcpu, kVcpuPmuV3Ctrl, kVcpuPmuV3Irq, 23), -EINVAL);
  EXPECT_EQ(Attribute(vcpu, kSetDeviceAttr, kVcpuPmuV3Ctrl, kVcpuPmuV3Init), -ENODEV);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -EINVAL);
  EXPECT_EQ(Set(gic, kVgicGrpAddr, kVgicV5AddrTypeIrs, uint64_t{0x08000000}), 0);
  EXPECT_EQ(Attribute(gic, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
  EXPECT_EQ(Set(vcpu, kVcpuPmuV3Ctrl, kVcpuPmuV3Irq, 0x20000017), 0);
  EXPECT_EQ(Set(vcpu, kVcpuPmuV3Ctrl, kVcpuPmuV3Irq, 0x20000017), -EBUSY);
  EXPECT_EQ(Attribute(vcpu, kSetDeviceAttr, kVcpuPmuV3Ctrl, kVcpuPmuV3Init), 0);
  EXPECT_EQ(Attribute(vcpu, kSetDeviceAttr, kVcpuPmuV3Ctrl, kVcpuPmuV3Init), -EBUSY);
}

TEST_F(FeatureHostTest, PreFaultGoesOnlyAsFarAsItLikes) {
  const int vcpu = NewVcpu(0);
  PreFaultMemory range = {};
  range.gpa = 0x40000000;
  range.size = 0x3000;
  EXPECT_EQ(Call(vcpu, kPreFaultMemory, range), 0);
  EXPECT_EQ(range.gpa, 0x40001000u);
  EXPECT_EQ(range.size, 0x2000u);
  range.flags = 1;
  EXPECT_EQ(Call(vcpu, kPreFaultMemory, range), -EINVAL);
}

}  // namespace
}  // namespace firn::kvm::testing
