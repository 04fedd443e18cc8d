// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// ICC_* registers and selection as a guest finds them: gicv5-reference 2.2, 2.4, 5.2, 5.6.
#include <gtest/gtest.h>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kOnes = ~uint64_t{0};
constexpr uint64_t kVisible = 1ull << 3 | 1ull << 27 | 1ull << 30;
constexpr uint64_t kValid = 1ull << 32;

// --- 2.2 Registers -------------------------------------------------------------------------------

enum class Access { kReadWrite, kReadOnly, kUndefined };

struct Row {
  const char* name;
  SystemRegister reg;
  Access access;
  uint64_t reset;
  uint64_t after_ones;
};

// vCPU id 9; encodings as the reference has them.
constexpr Row kRows[] = {
    {"ICC_APR", {3, 1, 12, 0, 0}, Access::kReadWrite, 0, 0xffffffff},
    {"ICC_CR0", {3, 1, 12, 0, 1}, Access::kReadWrite, 6, 7},
    {"ICC_PCR", {3, 1, 12, 0, 2}, Access::kReadWrite, 0, 0x1f},
    {"ICC_HAPR", {3, 1, 12, 0, 3}, Access::kUndefined, 0, 0},
    {"ICC_PPI_HMR0", {3, 0, 12, 10, 0}, Access::kReadOnly, 0xfef88007, 0},
    {"ICC_PPI_HMR1", {3, 0, 12, 10, 1}, Access::kReadOnly, 0, 0},
    {"ICC_IDR0", {3, 0, 12, 10, 2}, Access::kReadOnly, 0x40, 0},
    {"ICC_HPPIR", {3, 0, 12, 10, 3}, Access::kReadOnly, 0, 0},
    {"ICC_ICSR", {3, 0, 12, 10, 4}, Access::kReadWrite, 0, kOnes},
    {"ICC_IAFFIDR", {3, 0, 12, 10, 5}, Access::kReadOnly, 9, 0},
    {"ICC_PPI_ENABLER0", {3, 0, 12, 10, 6}, Access::kReadWrite, 0, kVisible},
    {"ICC_PPI_ENABLER1", {3, 0, 12, 10, 7}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_CACTIVER0", {3, 0, 12, 13, 0}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_CACTIVER1", {3, 0, 12, 13, 1}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_SACTIVER0", {3, 0, 12, 13, 2}, Access::kReadWrite, 0, kVisible},
    {"ICC_PPI_SACTIVER1", {3, 0, 12, 13, 3}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_CPENDR0", {3, 0, 12, 13, 4}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_CPENDR1", {3, 0, 12, 13, 5}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_SPENDR0", {3, 0, 12, 13, 6}, Access::kReadWrite, 0, 8},
    {"ICC_PPI_SPENDR1", {3, 0, 12, 13, 7}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_PRIORITYR0", {3, 0, 12, 14, 0}, Access::kReadWrite, 0, 0x1f1f1f1f1f1f1f1f},
    {"ICC_PPI_PRIORITYR7", {3, 0, 12, 14, 7}, Access::kReadWrite, 0, 0x1f1f1f1f1f1f1f1f},
    {"ICC_PPI_PRIORITYR8", {3, 0, 12, 15, 0}, Access::kReadWrite, 0, 0},
    {"ICC_PPI_PRIORITYR15", {3, 0, 12, 15, 7}, Access::kReadWrite, 0, 0},
    {"ICC_CTLR_of_GICv3", {3, 0, 12, 12, 4}, Access::kUndefined, 0, 0},
    {"ICC_SRE_of_GICv3", {3, 0, 12, 12, 5}, Access::kUndefined, 0, 0},
    {"ICC_IAR1_of_GICv3", {3, 0, 12, 12, 0}, Access::kUndefined, 0, 0},
    {"ICH_VMCR_of_EL2", {3, 4, 12, 11, 7}, Access::kUndefined, 0, 0},
    {"ICH_CONTEXTR_of_EL2", {3, 4, 12, 11, 6}, Access::kUndefined, 0, 0},
};

class RegisterTest : public testing::TestWithParam<std::tuple<Dialect, Row>> {
 protected:
  RegisterTest() { vm_.Init().Start(); }
  const Row& row() const { return std::get<1>(GetParam()); }
  TestVm vm_{{.dialect = std::get<0>(GetParam()), .vcpu_ids = {9}}};
};
INSTANTIATE_TEST_SUITE_P(Registers, RegisterTest,
                         testing::Combine(testing::Values(Dialect::kPpiOnly, Dialect::kMerged),
                                          testing::ValuesIn(kRows)),
                         [](const auto& info) {
                           return DialectName(std::get<0>(info.param)) + "_" +
                                  std::get<1>(info.param).name;
                         });

TEST_P(RegisterTest, ResetAccessAndFields) {
  uint64_t value = 0x5555;
  EXPECT_EQ(vm_.gic().ReadRegister(0, row().reg, &value), row().access != Access::kUndefined);
  if (row().access != Access::kUndefined) {
    EXPECT_EQ(value, row().reset);
  }
  EXPECT_EQ(vm_.gic().WriteRegister(0, row().reg, kOnes), row().access == Access::kReadWrite);
  if (row().access == Access::kReadWrite) {
    EXPECT_EQ(vm_.Mrs(row().reg), row().after_ones);
  }
}

TEST(RegisterTest, IdentificationFollowsTheHostsPriorityBits) {
  TestVm vm({.limits = {.priority_bits = 4}});
  vm.Init().Start();
  EXPECT_EQ(vm.Mrs(kIccIdr0), 0x30u);
  vm.Msr(kIccPcr, 0x1f);
  EXPECT_EQ(vm.Mrs(kIccPcr), 0x1eu);
  vm.Msr(IccPpiPriorityr(0), kOnes);
  EXPECT_EQ(vm.Mrs(IccPpiPriorityr(0)), 0x1e1e1e1e1e1e1e1eu);
  vm.Priority(Spi(0), 0x1f);
  EXPECT_EQ(vm.Config(Spi(0)) >> 11 & 0x1f, 0x1eu);
}

// --- 2.4, 5.4 PPIs -------------------------------------------------------------------------------

class PpiTest : public testing::TestWithParam<uint32_t> {
 protected:
  // Every PPI has a source.
  PpiTest() {
    vm_.Init().Start();
    vm_.EnableCpus();
    vm_.Msr(kIccPpiEnabler0, kOnes);
    bit_ = uint64_t{1} << GetParam();
    is_level_ = GetParam() < 32 && (0xfef88007u >> GetParam() & 1);
  }
  bool Pending() { return (vm_.Mrs(kIccPpiSpendr0) & bit_) != 0; }
  TestVm vm_{{.limits = {.device_ppis = kOnes}}};
  uint64_t bit_ = 0;
  bool is_level_ = false;
};
INSTANTIATE_TEST_SUITE_P(All, PpiTest, testing::Range(0u, 64u));

TEST_P(PpiTest, LineIsALevelOrSetsALatch) {
  EXPECT_EQ((vm_.Mrs(kIccPpiHmr0) & bit_) != 0, is_level_);
  vm_.gic().SetPpiLine(0, GetParam(), true);
  EXPECT_TRUE(Pending());
  vm_.gic().SetPpiLine(0, GetParam(), false);
  EXPECT_EQ(Pending(), !is_level_);
}

TEST_P(PpiTest, SetAndClearPendingWorkOnEdgesOnly) {
  vm_.Msr(kIccPpiSpendr0, bit_);
  EXPECT_EQ(Pending(), !is_level_);
  vm_.gic().SetPpiLine(0, GetParam(), true);
  vm_.Msr(kIccPpiCpendr0, bit_);
  EXPECT_EQ(Pending(), is_level_);
  EXPECT_EQ(vm_.Mrs(kIccPpiCpendr0), vm_.Mrs(kIccPpiSpendr0));
}

TEST_P(PpiTest, AcknowledgeDropDeactivate) {
  vm_.gic().SetPpiLine(0, GetParam(), true);
  ASSERT_TRUE(vm_.gic().IrqAsserted(0));
  EXPECT_EQ(vm_.Mrs(kIccHppir), kValid | PpiId(GetParam()));
  EXPECT_EQ(vm_.Cdia(), kValid | PpiId(GetParam()));
  EXPECT_EQ(vm_.Mrs(kIccPpiSactiver0), bit_);
  EXPECT_EQ(vm_.Mrs(kIccPpiCactiver0), bit_);
  EXPECT_EQ(vm_.Mrs(kIccApr), 1u);
  EXPECT_EQ(Pending(), is_level_);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Eoi();
  EXPECT_EQ(vm_.Mrs(kIccApr), 0u);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));  // still active
  vm_.Deactivate(PpiId(GetParam()));
  EXPECT_EQ(vm_.Mrs(kIccPpiSactiver0), 0u);
  EXPECT_EQ(vm_.gic().IrqAsserted(0), is_level_);  // the line is still high
}

TEST_P(PpiTest, DisabledIsNotSignalled) {
  vm_.Msr(kIccPpiEnabler0, ~bit_);
  vm_.gic().SetPpiLine(0, GetParam(), true);
  EXPECT_TRUE(Pending());
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
}

TEST_P(PpiTest, PriorityByteIsItsOwn) {
  vm_.Msr(IccPpiPriorityr(GetParam() / 8), uint64_t{0x15} << 8 * (GetParam() % 8));
  vm_.gic().SetPpiLine(0, GetParam(), true);
  vm_.Msr(kIccPcr, 0x14);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Msr(kIccPcr, 0x15);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  vm_.Cdia();
  EXPECT_EQ(vm_.Mrs(kIccApr), 1u << 0x15);
}

TEST_P(PpiTest, ActiveBySoftwareIsNotSignalled) {
  vm_.Msr(kIccPpiSactiver0, bit_);
  vm_.gic().SetPpiLine(0, GetParam(), true);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Msr(kIccPpiCactiver0, bit_);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST(PpiVisibilityTest, PpiWithoutSourceDoesNotExistForTheGuest) {
  TestVm vm;
  vm.Init().Start();
  vm.EnableCpus();
  vm.Msr(kIccPpiEnabler0, kOnes);
  vm.gic().SetPpiLine(0, 23, true);
  EXPECT_EQ(vm.Mrs(kIccPpiSpendr0), 0u);
  EXPECT_FALSE(vm.gic().IrqAsserted(0));
}

TEST(PpiVisibilityTest, PpiOfTheUpperHalfIsIgnored) {
  TestVm vm({.limits = {.device_ppis = kOnes}});
  vm.Init().Start();
  vm.gic().SetPpiLine(0, 64, true);
  vm.gic().SetPpiLine(0, ~0u, true);
  vm.Deactivate(PpiId(64));
  vm.Deactivate(PpiId(0xffffff));
  EXPECT_EQ(vm.Mrs(kIccPpiSpendr0), 0u);
}

// --- 5.2 Selection -------------------------------------------------------------------------------

class SelectionTest : public testing::Test {
 protected:
  SelectionTest() {
    vm_.Init().Start();
    vm_.EnableCpus();
    vm_.EnableIrs();
    vm_.EnableLpis();
  }
  void Ready(uint64_t intid, uint8_t priority, uint16_t iaffid = 0) {
    vm_.SetUp(intid, priority, iaffid);
    vm_.Pend(intid);
  }
  uint64_t Hppir() { return vm_.Mrs(kIccHppir); }
  TestVm vm_{{.vcpu_ids = {0, 5}}};
};

TEST_F(SelectionTest, LowestPriorityValueFirst) {
  Ready(Spi(1), 9);
  Ready(Lpi(1), 8);
  Ready(Spi(2), 7);
  EXPECT_EQ(Hppir(), kValid | Spi(2));
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(2));
}

TEST_F(SelectionTest, TiesGoToTheLowerId) {
  Ready(Spi(20), 9);
  Ready(Spi(3), 9);
  EXPECT_EQ(Hppir(), kValid | Spi(3));
  Ready(Lpi(700), 9);
  EXPECT_EQ(Hppir(), kValid | Lpi(700));  // TYPE 2 is below TYPE 3
  Ready(Lpi(64), 9);
  EXPECT_EQ(Hppir(), kValid | Lpi(64));
}

TEST_F(SelectionTest, PpiWinsATieWithTheIrs) {
  Ready(Lpi(0), 9);
  vm_.Msr(IccPpiPriorityr(27 / 8), uint64_t{9} << 8 * (27 % 8));
  vm_.Msr(kIccPpiEnabler0, 1ull << 27);
  vm_.gic().SetPpiLine(0, 27, true);
  EXPECT_EQ(Hppir(), kValid | PpiId(27));
  vm_.Priority(Lpi(0), 8);
  EXPECT_EQ(Hppir(), kValid | Lpi(0));
}

TEST_F(SelectionTest, AffinityNamesTheVcpuById) {
  Ready(Spi(1), 9, 5);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_TRUE(vm_.gic().IrqAsserted(1));
  vm_.Affinity(Spi(1), 0);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));
  vm_.Affinity(Spi(1), 1);  // nobody
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));
  vm_.Affinity(Spi(1), 0xffff);
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));
}

TEST_F(SelectionTest, InterfaceThatIsOffGivesNothing) {
  Ready(Spi(1), 0);
  vm_.Msr(kIccCr0, 0);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_EQ(Hppir(), 0u);
  EXPECT_EQ(vm_.Cdia(), 0u);
  vm_.Msr(kIccCr0, 1);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_F(SelectionTest, IrsThatIsOffGivesNoSpiAndNoLpi) {
  Ready(Spi(1), 4);
  Ready(Lpi(1), 5, 5);
  vm_.Write32(0x080, 0);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));
  vm_.Msr(kIccPpiEnabler0, 1ull << 27);
  vm_.gic().SetPpiLine(0, 27, true);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));  // PPIs do not need it
  vm_.gic().SetPpiLine(0, 27, false);
  vm_.EnableIrs();
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  EXPECT_TRUE(vm_.gic().IrqAsserted(1));
}

TEST_F(SelectionTest, MaskPassesItsOwnPriority) {
  Ready(Spi(1), 16);
  vm_.Msr(kIccPcr, 15);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_EQ(Hppir(), 0u);  // masked ones do not show
  vm_.Msr(kIccPcr, 16);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_F(SelectionTest, ResetMaskPassesOnlyPriorityZero) {
  vm_.Msr(kIccPcr, 0);
  Ready(Spi(1), 1);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Priority(Spi(1), 0);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_F(SelectionTest, PreemptionNeedsAHigherPriorityThanTheRunningOne) {
  Ready(Spi(1), 16);
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(1));
  EXPECT_EQ(vm_.Mrs(kIccApr), 1u << 16);
  Ready(Spi(2), 16);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  Ready(Spi(3), 15);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(3));
  EXPECT_EQ(vm_.Mrs(kIccApr), 1u << 16 | 1u << 15);
  vm_.Eoi();  // the most urgent of the active ones
  EXPECT_EQ(vm_.Mrs(kIccApr), 1u << 16);
  vm_.Eoi();
  EXPECT_EQ(vm_.Mrs(kIccApr), 0u);
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(2));
}

TEST_F(SelectionTest, RunningPriorityIsWhatAprSays) {
  Ready(Spi(1), 5);
  vm_.Msr(kIccApr, 1u << 5);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Msr(kIccApr, 1u << 6 | 1u << 31);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_F(SelectionTest, EoiWithNothingActiveDoesNothing) {
  vm_.Eoi();
  EXPECT_EQ(vm_.Mrs(kIccApr), 0u);
}

TEST_F(SelectionTest, DropWithoutDeactivationLetsOthersOfThePriorityIn) {
  Ready(Spi(1), 9);
  vm_.Cdia();
  vm_.Eoi();
  vm_.Pend(Spi(1));
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  Ready(Spi(2), 9);
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(2));
  vm_.Eoi();
  vm_.Deactivate(Spi(1));
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(1));
}

TEST_F(SelectionTest, DeactivationBeforeDropWorksToo) {
  Ready(Spi(1), 9);
  vm_.Cdia();
  vm_.Deactivate(Spi(1));
  vm_.Pend(Spi(1));
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Eoi();
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_F(SelectionTest, FewerPriorityBitsIgnoreTheLowOnes) {
  TestVm vm({.limits = {.priority_bits = 4}});
  vm.Init();
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  ist.spis[2] = 1u << 3 | 1 | 3u << 11;  // priority 3 counts as 2
  ist.spis[7] = 1u << 3 | 1 | 2u << 11;
  ASSERT_EQ(vm.RestoreIst(ist), 0);
  vm.Start();
  vm.EnableCpus();
  vm.EnableIrs();
  vm.Msr(kIccPcr, 2);
  EXPECT_EQ(vm.Cdia(), kValid | Spi(2));
  EXPECT_EQ(vm.Mrs(kIccApr), 1u << 2);
}

// --- Superpriority -------------------------------------------------------------------------------

TEST_F(SelectionTest, PriorityZeroIsAnNmi) {
  Ready(Spi(1), 1);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  EXPECT_FALSE(vm_.gic().NmiAsserted(0));
  vm_.Priority(Spi(1), 0);
  EXPECT_TRUE(vm_.gic().NmiAsserted(0));
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
}

TEST_F(SelectionTest, NmiIsAcknowledgedByCdnmiaOnly) {
  Ready(Spi(1), 0);
  EXPECT_EQ(vm_.Cdia(0, true), 0u);
  EXPECT_EQ(vm_.Mrs(kIccApr), 0u);
  EXPECT_EQ(vm_.Cdnmia(), kValid | Spi(1));
  EXPECT_EQ(vm_.Mrs(kIccApr), 1u);
}

TEST_F(SelectionTest, WithoutNmiSupportCdiaTakesPriorityZero) {
  Ready(Spi(1), 0);
  EXPECT_EQ(vm_.Cdnmia(0, false), 0u);
  EXPECT_EQ(vm_.Cdia(0, false), kValid | Spi(1));
}

TEST_F(SelectionTest, CdnmiaLeavesOtherPriorities) {
  Ready(Spi(1), 1);
  EXPECT_EQ(vm_.Cdnmia(), 0u);
  EXPECT_EQ(vm_.Cdia(0, true), kValid | Spi(1));
}

TEST_F(SelectionTest, AcknowledgedInterruptsAreCountedByType) {
  Ready(Spi(1), 4);
  Ready(Lpi(1), 3);
  vm_.Msr(kIccPpiEnabler0, 8);
  vm_.Msr(kIccPpiSpendr0, 8);
  for (int i = 0; i < 5; ++i) {
    vm_.Cdia();
    vm_.Eoi();
  }
  const AcknowledgeCounts counts = vm_.gic().acknowledged(0);
  EXPECT_EQ(counts.ppi, 1u);
  EXPECT_EQ(counts.lpi, 1u);
  EXPECT_EQ(counts.spi, 1u);
}

}  // namespace
}  // namespace firn::software::gicv5
