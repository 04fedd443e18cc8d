// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A guest that does to the GIC what Linux does, in Linux's order (gicv5-reference 4.3, 5.3).
#include <gtest/gtest.h>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

class LinuxBootTest : public testing::TestWithParam<Dialect> {
 protected:
  LinuxBootTest() : vm_({.dialect = GetParam(), .vcpu_ids = {0, 1}, .nr_spis = 64}) {
    vm_.Init().Start();
  }

  void BringUpCpu(uint32_t index) {
    EXPECT_EQ(vm_.Mrs(kIccIdr0, index), 0x40u);
    vm_.Msr(kIccPpiEnabler0, 0, index);
    vm_.Msr(kIccPpiEnabler1, 0, index);
    for (unsigned n = 0; n < 16; ++n) vm_.Msr(IccPpiPriorityr(n), 0x1f1f1f1f1f1f1f1f, index);
    vm_.Msr(kIccPcr, 0x1f, index);
    vm_.Msr(kIccCr0, 1, index);
    vm_.Write32(0x140, vm_.Mrs(kIccIaffidr, index));
    EXPECT_EQ(vm_.Read32(0x144), 7u);  // IDLE, V, ONLINE
    vm_.Write32(0x148, 1);
    EXPECT_EQ(vm_.Read32(0x144) & 1, 1u);
  }

  void BringUpIrs() {
    vm_.Write32(0x084, 0xf5d7);
    EXPECT_EQ(vm_.Read32(0x084), 0xf5d7u);
    vm_.Write32(0x080, 1);
    EXPECT_EQ(vm_.Read32(0x080), 3u);
    EXPECT_EQ(vm_.Read32(0x008) >> 5 & 1, 1u);  // LPI
    ASSERT_EQ(vm_.Read64(0x180), 0u);
    vm_.Write32(0x190, 12);
    vm_.Write64(0x180, kTestIst.value | 1);
    EXPECT_EQ(vm_.Read32(0x194), 1u);
    ASSERT_EQ(vm_.Read64(0x180), kTestIst.value | 1);
  }

  TestVm vm_;
};

TEST_P(LinuxBootTest, TimerIpiAndDeviceInterruptsAreTaken) {
  BringUpIrs();
  BringUpCpu(0);
  BringUpCpu(1);

  // The virtual timer of CPU 1.
  vm_.Msr(kIccPpiEnabler0, uint64_t{1} << 27, 1);
  vm_.gic().SetPpiLine(1, 27, true);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  ASSERT_TRUE(vm_.gic().IrqAsserted(1));
  EXPECT_EQ(vm_.Cdia(1), 0x12000001bu);
  vm_.Eoi(1);
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));
  vm_.gic().SetPpiLine(1, 27, false);
  vm_.Deactivate(PpiId(27), 1);
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));

  // An IPI from CPU 0 to CPU 1.
  const uint64_t ipi = Lpi(9);
  vm_.Priority(ipi, 0x1f);
  vm_.Sys(kGicCdhm, ipi);
  vm_.Pend(ipi, false);
  vm_.Affinity(ipi, 1);
  vm_.Enable(ipi);
  vm_.Sys(kGsbSys, 0);
  vm_.Pend(ipi);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  ASSERT_TRUE(vm_.gic().IrqAsserted(1));
  EXPECT_EQ(vm_.Cdia(1), 0x140000009u);
  vm_.Sys(kGsbAck, 0, 1);
  vm_.Eoi(1);
  vm_.Deactivate(ipi, 1);
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));

  // A device.
  vm_.SetTrigger(5, false);
  EXPECT_EQ(vm_.Read32(0x118), 3u);
  vm_.SetUp(Spi(5), 0x1f, 0);
  ASSERT_EQ(vm_.IrqLine(kvm::kIrqTypeSpi, 5, true), 0);
  ASSERT_TRUE(vm_.gic().IrqAsserted(0));
  EXPECT_EQ(vm_.Cdia(0), 0x160000005u);
  vm_.Eoi(0);
  vm_.Deactivate(Spi(5), 0);
  EXPECT_EQ(vm_.Cdia(0), 0u);

  EXPECT_EQ(vm_.gic().acknowledged(0).spi, 1u);
  EXPECT_EQ(vm_.gic().acknowledged(1).ppi, 1u);
  EXPECT_EQ(vm_.gic().acknowledged(1).lpi, 1u);
}

INSTANTIATE_TEST_SUITE_P(Dialects, LinuxBootTest, testing::ValuesIn(kIrsDialects),
                         [](const auto& info) { return DialectName(info.param); });

}  // namespace
}  // namespace firn::software::gicv5
