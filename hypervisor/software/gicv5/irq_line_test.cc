// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_IRQ_LINE and the irqfd path: gicv5-reference 1.11, row by row.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using kvm::kIrqTypeCpu;
using kvm::kIrqTypePpi;
using kvm::kIrqTypeSpi;

class IrqLineTest : public testing::TestWithParam<Dialect> {
 protected:
  TestVm vm_{{.dialect = GetParam(), .vcpu_ids = {0, 7}}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, IrqLineTest, testing::ValuesIn(kAllDialects),
                         [](const auto& info) { return DialectName(info.param); });

TEST_P(IrqLineTest, BeforeInitIsEbusy) {
  EXPECT_EQ(vm_.IrqLine(kIrqTypeSpi, 0, true), EBUSY);
  EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true), EBUSY);
  EXPECT_EQ(vm_.SpiLine(0, true), EBUSY);
}

TEST_P(IrqLineTest, CpuTypeIsEnxioAndUnknownTypesAreEinval) {
  vm_.Init();
  EXPECT_EQ(vm_.IrqLine(kIrqTypeCpu, 0, true), ENXIO);
  for (uint32_t type = 3; type < 16; ++type) {
    EXPECT_EQ(GetErrno(vm_.gic().IrqLine(type << 24, true)), EINVAL) << type;
  }
}

TEST_P(IrqLineTest, PpiOfAVcpuThatIsNotThereIsEinval) {
  vm_.Init();
  EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true, 1), 0);
  EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true, 2), EINVAL);
  EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true, 7), EINVAL);  // an id, not an index
  EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true, 256), EINVAL);
}

TEST_P(IrqLineTest, OnlyTheSoftwarePpiMayBeDriven) {
  vm_.Init();
  for (uint32_t ppi = 0; ppi < 66; ++ppi) {
    EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, ppi, true), ppi == 3 ? 0 : EINVAL) << ppi;
  }
  EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, 0xffff, true), EINVAL);
}

TEST_P(IrqLineTest, SpiOutOfRangeIsEinval) {
  vm_.Init();
  const uint32_t first_bad = GetParam() == Dialect::kPpiOnly ? 0 : 32;
  if (first_bad != 0) {
    EXPECT_EQ(vm_.IrqLine(kIrqTypeSpi, first_bad - 1, true), 0);
  }
  for (uint32_t spi : {first_bad, 1023u, 1024u, 0xffffu}) {
    EXPECT_EQ(vm_.IrqLine(kIrqTypeSpi, spi, true), EINVAL) << spi;
    EXPECT_EQ(vm_.SpiLine(spi, true), EINVAL) << spi;
  }
  EXPECT_EQ(vm_.SpiLine(~0u, true), EINVAL);
}

TEST_P(IrqLineTest, SoftwarePpiIsDeliveredForEveryCall) {
  vm_.Init().Start();
  vm_.EnableCpus();
  vm_.Msr(kIccPpiEnabler0, 8, 1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true, 1), 0);
    EXPECT_FALSE(vm_.gic().IrqAsserted(0));
    EXPECT_EQ(vm_.Cdia(1), 1ull << 32 | PpiId(3));
    vm_.Eoi(1);
    vm_.Deactivate(PpiId(3), 1);
    EXPECT_FALSE(vm_.gic().IrqAsserted(1));
  }
}

TEST_P(IrqLineTest, SoftwarePpiStaysPendingWhenItsLevelDrops) {
  vm_.Init().Start();
  ASSERT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true), 0);
  ASSERT_EQ(vm_.IrqLine(kIrqTypePpi, 3, false), 0);
  EXPECT_EQ(vm_.Mrs(kIccPpiSpendr0), 8u);
}

class SpiLineTest : public testing::TestWithParam<Dialect> {
 protected:
  SpiLineTest() {
    vm_.Init().Start();
    vm_.EnableCpus();
    vm_.EnableIrs();
    vm_.SetUp(Spi(5), 3);
    vm_.gic().SetDeactivateObserver([this](uint32_t spi) { deactivated_.push_back(spi); });
  }
  bool Pending() { return (vm_.Config(Spi(5)) >> 2 & 1) != 0; }
  void Take() { ASSERT_EQ(vm_.Cdia(), 1ull << 32 | Spi(5)); }
  void Finish() {
    vm_.Eoi();
    vm_.Deactivate(Spi(5));
  }
  TestVm vm_{{.dialect = GetParam()}};
  std::vector<uint32_t> deactivated_;
};
INSTANTIATE_TEST_SUITE_P(Dialects, SpiLineTest, testing::ValuesIn(kIrsDialects),
                         [](const auto& info) { return DialectName(info.param); });

TEST_P(SpiLineTest, EdgeByDefaultOneEventPerCall) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(vm_.SpiLine(5, true), 0);
    Take();
    Finish();
    EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  }
}

TEST_P(SpiLineTest, EdgeStaysPendingWhenTheLineDrops) {
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  ASSERT_EQ(vm_.SpiLine(5, false), 0);
  EXPECT_TRUE(Pending());
  Take();
  EXPECT_FALSE(Pending());
}

TEST_P(SpiLineTest, EdgeWhileActiveIsDeliveredAfterDeactivation) {
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  Take();
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  vm_.Eoi();
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Deactivate(Spi(5));
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_P(SpiLineTest, LevelFollowsTheLine) {
  vm_.SetTrigger(5, true);
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  EXPECT_TRUE(Pending());
  ASSERT_EQ(vm_.SpiLine(5, false), 0);
  EXPECT_FALSE(Pending());
}

TEST_P(SpiLineTest, LevelIsDeliveredAgainWhileTheLineIsHigh) {
  vm_.SetTrigger(5, true);
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  for (int i = 0; i < 3; ++i) {
    Take();
    EXPECT_TRUE(Pending());
    EXPECT_FALSE(vm_.gic().IrqAsserted(0));
    Finish();
    EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  }
  Take();
  ASSERT_EQ(vm_.SpiLine(5, false), 0);
  Finish();
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
}

TEST_P(SpiLineTest, RepeatedLevelIsNoEvent) {
  vm_.SetTrigger(5, true);
  vm_.Pend(Spi(5));
  ASSERT_EQ(vm_.SpiLine(5, false), 0);  // it was low
  EXPECT_TRUE(Pending());
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  vm_.Pend(Spi(5), true);
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  EXPECT_TRUE(Pending());
}

TEST_P(SpiLineTest, PendingSetByTheGuestOnALowLevelLineEndsWithDeactivation) {
  vm_.SetTrigger(5, true);
  vm_.Pend(Spi(5));
  Take();
  Finish();
  EXPECT_FALSE(Pending());
}

TEST_P(SpiLineTest, PendingClearedByTheGuestOnAHighLevelLineReturns) {
  vm_.SetTrigger(5, true);
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  vm_.Pend(Spi(5), false);
  EXPECT_TRUE(Pending());
}

TEST_P(SpiLineTest, ObserverHearsOfDeactivatedLevelSpisOnly) {
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  Take();
  Finish();
  EXPECT_TRUE(deactivated_.empty());  // an edge
  vm_.SetTrigger(5, true);
  Finish();
  EXPECT_TRUE(deactivated_.empty());  // not active
  ASSERT_EQ(vm_.SpiLine(5, false), 0);
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  Take();
  EXPECT_TRUE(deactivated_.empty());
  Finish();
  EXPECT_EQ(deactivated_, std::vector<uint32_t>{5});
}

TEST_P(SpiLineTest, ObserverMayLowerTheLine) {
  vm_.SetTrigger(5, true);
  vm_.gic().SetDeactivateObserver([this](uint32_t spi) { EXPECT_EQ(vm_.SpiLine(spi, false), 0); });
  ASSERT_EQ(vm_.SpiLine(5, true), 0);
  Take();
  Finish();
  EXPECT_FALSE(Pending());
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
}

}  // namespace
}  // namespace firn::software::gicv5
