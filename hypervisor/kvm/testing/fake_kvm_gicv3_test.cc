// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// FakeKvm's GICv3 and ITS refuse what KVM's do (arm-vgic-v3.rst, arm-vgic-its.rst).
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>

#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_kvm_fixture.h"

namespace firn::kvm::testing {
namespace {

class Gicv3Test : public FakeKvmTest {
 protected:
  Gicv3Test() : FakeKvmTest(Gicv3Host()), gic_(Create(kDevTypeArmVgicV3)) {}

  static uint64_t Region(uint64_t count, uint64_t base, uint64_t index) {
    return count << 52 | base | index;
  }
  int SetAddress(uint64_t type, uint64_t value) { return Set(gic_, kVgicGrpAddr, type, value); }

  const int gic_;
};

TEST_F(Gicv3Test, Attributes) {
  for (const uint64_t type : {2, 3, 5}) EXPECT_EQ(Attribute(gic_, kHasDeviceAttr, 0, type), 0);
  for (const uint64_t type : {0, 1, 4, 6}) {
    EXPECT_EQ(Attribute(gic_, kHasDeviceAttr, 0, type), -ENXIO);
  }
  EXPECT_EQ(Attribute(gic_, kHasDeviceAttr, kVgicGrpCtrl, kVgicCtrlSavePendingTables), 0);
  EXPECT_EQ(Attribute(gic_, kHasDeviceAttr, kVgicGrpIst, 0), -ENXIO);
}

TEST_F(Gicv3Test, Addresses) {
  NewVcpu(0);
  EXPECT_EQ(SetAddress(kVgicV3AddrTypeDist, 0x08001000), -EINVAL);
  EXPECT_EQ(SetAddress(kVgicV3AddrTypeDist, uint64_t{1} << 40), -E2BIG);
  EXPECT_EQ(SetAddress(kVgicV3AddrTypeDist, 0x08000000), 0);
  EXPECT_EQ(SetAddress(kVgicV3AddrTypeDist, 0x08000000), -EEXIST);
  uint64_t value = 0;
  EXPECT_EQ(Attribute(gic_, kGetDeviceAttr, kVgicGrpAddr, kVgicV3AddrTypeDist,
                      reinterpret_cast<uintptr_t>(&value)),
            0);
  EXPECT_EQ(value, 0x08000000u);
}

TEST_F(Gicv3Test, RedistributorRegions) {
  NewVcpu(0);
  constexpr auto kType = kVgicV3AddrTypeRedistRegion;
  ASSERT_EQ(SetAddress(kVgicV3AddrTypeDist, 0x08000000), 0);
  EXPECT_EQ(SetAddress(kType, Region(0, 0x080a0000, 0)), -EINVAL);
  EXPECT_EQ(SetAddress(kType, Region(1, 0x080a0000, 1)), -EINVAL);            // 0 comes first
  EXPECT_EQ(SetAddress(kType, Region(1, 0x080a0000, 0) | 1 << 12), -EINVAL);  // flags
  EXPECT_EQ(SetAddress(kType, Region(1, 0x07ff0000, 0)), -EINVAL);            // the distributor
  EXPECT_EQ(SetAddress(kType, Region(2, 0x080a0000, 0)), 0);
  EXPECT_EQ(SetAddress(kVgicV3AddrTypeRedist, 0x10000000), -EINVAL);  // not both kinds
  EXPECT_EQ(SetAddress(kType, Region(1, 0x080c0000, 1)), -EINVAL);    // overlaps
  EXPECT_EQ(SetAddress(kType, Region(1, 0x080e0000, 1)), 0);
  uint64_t value = 1;
  EXPECT_EQ(
      Attribute(gic_, kGetDeviceAttr, kVgicGrpAddr, kType, reinterpret_cast<uintptr_t>(&value)), 0);
  EXPECT_EQ(value, Region(1, 0x080e0000, 1));
  value = 2;
  EXPECT_EQ(
      Attribute(gic_, kGetDeviceAttr, kVgicGrpAddr, kType, reinterpret_cast<uintptr_t>(&value)),
      -ENOENT);
}

TEST_F(Gicv3Test, InterruptCountAndInit) {
  EXPECT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), -ENODEV);  // no vCPU
  NewVcpu(0);
  for (const uint32_t count : {32u, 63u, 65u, 1056u}) {
    EXPECT_EQ(Set(gic_, kVgicGrpNrIrqs, 0, count), -EINVAL) << count;
  }
  EXPECT_EQ(Set(gic_, kVgicGrpNrIrqs, 0, 96u), 0);
  EXPECT_EQ(Set(gic_, kVgicGrpNrIrqs, 0, 96u), -EBUSY);
  EXPECT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlSavePendingTables), -ENXIO);
  EXPECT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
  EXPECT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
  EXPECT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlSavePendingTables), 0);
  EXPECT_EQ(NewVcpu(1), -EBUSY);
  EXPECT_EQ(SetAddress(kVgicV3AddrTypeRedist, 0x080a0000), -EBUSY);
}

TEST_F(Gicv3Test, RunWantsAddressesAndRoomForEveryVcpu) {
  const int vcpu = NewVcpu(0);
  NewVcpu(1);
  ASSERT_EQ(Init(vcpu), 0);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -EBUSY);
  ASSERT_EQ(SetAddress(kVgicV3AddrTypeDist, 0x08000000), 0);
  ASSERT_EQ(SetAddress(kVgicV3AddrTypeRedistRegion, Region(1, 0x080a0000, 0)), 0);
  ASSERT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
  EXPECT_EQ(kernel_.Ioctl(vcpu, kRun, 0), -ENXIO);  // one region, two vCPUs
}

TEST_F(Gicv3Test, IrqLine) {
  NewVcpu(0);
  IrqLevel line = {.irq = IrqLineNumber(kIrqTypeSpi, 32), .level = 1};
  EXPECT_EQ(Call(vm_, kIrqLine, line), -EBUSY);
  ASSERT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
  EXPECT_EQ(Call(vm_, kIrqLine, line), 0);
  line.irq = IrqLineNumber(kIrqTypeSpi, 31);  // SPIs begin at 32, unlike GICv5's
  EXPECT_EQ(Call(vm_, kIrqLine, line), -EINVAL);
  line.irq = IrqLineNumber(kIrqTypeSpi, 256);
  EXPECT_EQ(Call(vm_, kIrqLine, line), -EINVAL);
  line.irq = IrqLineNumber(kIrqTypePpi, 15);
  EXPECT_EQ(Call(vm_, kIrqLine, line), -EINVAL);
  line.irq = IrqLineNumber(kIrqTypeCpu, 0);
  EXPECT_EQ(Call(vm_, kIrqLine, line), -ENXIO);
}

TEST_F(Gicv3Test, Registers) {
  const auto get = [this](uint32_t group, uint64_t attr) {
    uint64_t value = 0;
    EXPECT_EQ(Attribute(gic_, kGetDeviceAttr, group, attr, reinterpret_cast<uintptr_t>(&value)), 0)
        << group << " " << attr;
    return value;
  };
  constexpr uint64_t kVcpu1 = uint64_t{1} << 32, kIccCtlr = 0xc664, kIccSre = 0xc665;
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0, 2u), -EINVAL);  // no vCPU
  NewVcpu(0);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0, 2u), -EBUSY);  // not initialised
  ASSERT_EQ(Set(gic_, kVgicGrpNrIrqs, 0, 64u), 0);
  ASSERT_EQ(Attribute(gic_, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0, 2u), 0);
  EXPECT_EQ(get(kVgicGrpDistRegs, 0), 0x52u);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x0002, 2u), -ENXIO);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x8000, 2u), -ENXIO);
  EXPECT_EQ(Set(gic_, kVgicGrpRedistRegs, kVcpu1, 0u), -EINVAL);  // no such vCPU
  EXPECT_EQ(Attribute(gic_, kHasDeviceAttr, kVgicGrpDistRegs, 0x8000), -ENXIO);

  // Set and clear; SPIs that there are not stay zero.
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x0104, 0xf0u), 0);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x0104, 0x0fu), 0);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x0184, 0x81u), 0);
  EXPECT_EQ(get(kVgicGrpDistRegs, 0x0104), 0x7eu);
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x0108, 0xffu), 0);
  EXPECT_EQ(get(kVgicGrpDistRegs, 0x0108), 0u);
  EXPECT_EQ(get(kVgicGrpRedistRegs, 0x1'0100), 0xffffu);  // SGIs are enabled

  // Another implementation or number of priority bits, and no system registers.
  EXPECT_EQ(Set(gic_, kVgicGrpDistRegs, 0x0008, 0x4c00'343bu), -EINVAL);
  EXPECT_EQ(Set(gic_, kVgicGrpCpuSysregs, kIccCtlr, get(kVgicGrpCpuSysregs, kIccCtlr) + 0x100),
            -EINVAL);
  EXPECT_EQ(Set(gic_, kVgicGrpCpuSysregs, kIccSre, uint64_t{6}), -EINVAL);
  EXPECT_EQ(Attribute(gic_, kHasDeviceAttr, kVgicGrpCpuSysregs, 0xc645), -ENXIO);  // ICC_AP0R1_EL1

  EXPECT_EQ(Set(gic_, kVgicGrpLevelInfo, 33, 1u), -EINVAL);
  EXPECT_EQ(Set(gic_, kVgicGrpLevelInfo, 0, 0xffff'ffffu), 0);
  EXPECT_EQ(get(kVgicGrpLevelInfo, 0), 0xffff'0000u);
}

TEST_F(Gicv3Test, ItsRegisters) {
  const int its = Create(kDevTypeArmVgicIts);
  const auto get = [&](uint64_t attr) {
    uint64_t value = 0;
    EXPECT_EQ(
        Attribute(its, kGetDeviceAttr, kVgicGrpItsRegs, attr, reinterpret_cast<uintptr_t>(&value)),
        0);
    return value;
  };
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x80, uint64_t{0}), -ENXIO);  // no address
  ASSERT_EQ(Set(its, kVgicGrpAddr, kVgicItsAddrType, uint64_t{0x08080000}), 0);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x84, uint64_t{0}), -EINVAL);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x20, uint64_t{0}), -ENXIO);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x80, uint64_t{0x4000'0001}), 0);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x90, uint64_t{0x2000}), -EINVAL);  // beyond the queue
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x90, uint64_t{0x1fe0}), 0);
  EXPECT_EQ(get(0x90), 0x1fe0u);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x80, uint64_t{0x4000'0001}), 0);
  EXPECT_EQ(get(0x90), 0u);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x00, uint64_t{1}), 0);
  EXPECT_EQ(Set(its, kVgicGrpItsRegs, 0x90, uint64_t{0}), -EBUSY);  // it is on
}

TEST_F(Gicv3Test, Its) {
  const int its = Create(kDevTypeArmVgicIts);
  EXPECT_GE(its, 0);
  EXPECT_EQ(Attribute(its, kHasDeviceAttr, kVgicGrpAddr, kVgicItsAddrType), 0);
  EXPECT_EQ(Set(its, kVgicGrpAddr, kVgicV3AddrTypeDist, uint64_t{0x08080000}), -ENODEV);
  EXPECT_EQ(Set(its, kVgicGrpAddr, kVgicItsAddrType, uint64_t{0x08081000}), -EINVAL);
  EXPECT_EQ(Set(its, kVgicGrpAddr, kVgicItsAddrType, uint64_t{0x08080000}), 0);
  EXPECT_EQ(Set(its, kVgicGrpAddr, kVgicItsAddrType, uint64_t{0x08080000}), -EEXIST);
  EXPECT_EQ(Attribute(its, kSetDeviceAttr, kVgicGrpCtrl, kVgicCtrlInit), 0);
}

}  // namespace
}  // namespace firn::kvm::testing
