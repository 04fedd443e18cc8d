// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Save and restore through the attributes: gicv5-reference part 7, per dialect, with the orders
// that are required, free and forbidden.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "hypervisor/software/gicv5/test_snapshot.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kValid = 1ull << 32;

using Step = RestoreStep;

std::string Name(const testing::TestParamInfo<Dialect>& info) { return DialectName(info.param); }

TestVmOptions Options(Dialect dialect) {
  return {.dialect = dialect, .vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {}};
}

// A guest in the middle of its life: interrupts of every type in every state.
void Work(TestVm& vm) {
  vm.Init().Start();
  vm.Write32(0x084, 0xf5d7);
  vm.EnableIrs();
  vm.EnableLpis(10);
  vm.EnableCpus();
  for (uint32_t i = 0; i < 2; ++i) {
    for (unsigned n = 0; n < 8; ++n) vm.Msr(IccPpiPriorityr(n), 0x1f1f1f1f1f1f1f1f, i);
    vm.Msr(kIccPpiEnabler0, 1ull << 27 | 1ull << 30 | 1ull << 3, i);
  }
  vm.SetTrigger(7, true);
  vm.SetUp(Spi(7), 0x10);
  vm.SpiLine(7, true);
  vm.Cdia();  // SPI 7 is active, its line is high
  vm.Eoi();
  vm.SetUp(Spi(8), 0x08);
  vm.SpiLine(8, true);
  vm.SetUp(Spi(9), 0x10);
  vm.SpiLine(9, true);
  vm.Priority(Spi(10), 0x04);
  vm.SpiLine(10, true);  // pending, disabled
  vm.SetUp(Spi(63), 0x18, 1);
  vm.SetUp(Lpi(5), 0x0c, 1);
  vm.Pend(Lpi(5));
  vm.SetUp(Lpi(1023), 0x0c, 0);
  vm.gic().SetPpiLine(1, 27, true);
  vm.Config(Spi(9));  // leaves ICSR behind
  vm.Write32(0x140, 1);
  vm.Write32(0x108, 9);
}

class SaveRestoreTest : public testing::TestWithParam<Dialect> {
 protected:
  SaveRestoreTest() {
    Work(source_);
    snapshot_ = SaveSnapshot(source_);
  }
  bool merged() const { return GetParam() == Dialect::kMerged; }
  bool v1() const { return GetParam() == Dialect::kSeriesV1; }
  bool v2() const { return GetParam() == Dialect::kSeriesV2; }

  // What a restore in this order yields, put beside the source: "" where they are alike.
  std::string Restore(std::vector<Step> steps) {
    TestVm vm(Options(GetParam()));
    vm.Init();
    if (int error = RestoreSnapshot(vm, snapshot_, steps)) return "errno " + std::to_string(error);
    if (!IsLike(vm)) return "state lost";
    return "";
  }
  bool IsLike(TestVm& vm) {
    SavedIst ist;
    if (vm.SaveIst(&ist) != 0 || ist != snapshot_.ist) return false;
    const TestSnapshot again = SaveSnapshot(vm);
    return again.irs == snapshot_.irs && again.cpu_sysregs == snapshot_.cpu_sysregs &&
           again.ram == snapshot_.ram;
  }
  static std::vector<Step> Without(Step step) {
    std::vector<Step> steps(std::begin(kRestoreOrder), std::end(kRestoreOrder));
    steps.erase(std::find(steps.begin(), steps.end(), step));
    return steps;
  }
  // The order of 7.2 with `step` moved in front of `before`.
  static std::vector<Step> Moved(Step step, Step before) {
    std::vector<Step> steps = Without(step);
    steps.insert(std::find(steps.begin(), steps.end(), before), step);
    return steps;
  }

  TestVm source_{Options(GetParam())};
  TestSnapshot snapshot_;
};
INSTANTIATE_TEST_SUITE_P(Dialects, SaveRestoreTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(SaveRestoreTest, SavingDoesNotChangeTheSource) {
  const TestSnapshot again = SaveSnapshot(source_);
  EXPECT_EQ(again.ist, snapshot_.ist);
  EXPECT_EQ(again.irs, snapshot_.irs);
  EXPECT_EQ(again.cpu_sysregs, snapshot_.cpu_sysregs);
  EXPECT_EQ(source_.Cdia(), kValid | Spi(8));  // and it runs on
}

TEST_P(SaveRestoreTest, LpiStateIsInGuestMemoryOnlyInTheSeries) {
  const bool in_memory = std::any_of(snapshot_.ram.begin(), snapshot_.ram.end(),
                                     [](std::byte b) { return b != std::byte{0}; });
  EXPECT_EQ(in_memory, !merged());
  EXPECT_EQ(snapshot_.ist.lpis.empty(), !merged());
}

// 7.2: one order that satisfies all of them.
TEST_P(SaveRestoreTest, TheOneOrderWorks) {
  EXPECT_EQ(Restore({std::begin(kRestoreOrder), std::end(kRestoreOrder)}), "");
}

TEST_P(SaveRestoreTest, RestoredGuestGoesOnAsTheSourceDoes) {
  TestVm vm(Options(GetParam()));
  vm.Init();
  ASSERT_EQ(RestoreSnapshot(vm, snapshot_), 0);
  ASSERT_EQ(vm.SpiLine(7, true), 0);  // R14: level lines are re-asserted
  vm.gic().SetPpiLine(1, 27, true);   // and timers re-derive theirs
  vm.Start();
  for (TestVm* each : {&source_, &vm}) {
    EXPECT_EQ(each->Cdia(0), kValid | Spi(8));
    each->Eoi(0);
    EXPECT_EQ(each->Cdia(0), kValid | Spi(9));
    each->Eoi(0);
    each->Deactivate(Spi(7));
    EXPECT_EQ(each->Cdia(0), kValid | Spi(7));
    each->SpiLine(7, false);
    each->Eoi(0);
    each->Deactivate(Spi(7));
    EXPECT_EQ(each->Cdia(0), 0u);
    each->Enable(Spi(10));
    EXPECT_EQ(each->Cdia(0), kValid | Spi(10));
    EXPECT_EQ(each->Cdia(1), kValid | Lpi(5));
    each->Eoi(1);
    EXPECT_EQ(each->Cdia(1), kValid | PpiId(27));
  }
}

// --- Orders that 7.1 makes free or forbids -------------------------------------------------------

TEST_P(SaveRestoreTest, CpuSysregsAreFree) {
  EXPECT_EQ(Restore(Moved(Step::kCpuSysregs, Step::kMemory)), "");
  EXPECT_EQ(Restore(Moved(Step::kCpuSysregs, Step::kOtherIrs)), "");
}

TEST_P(SaveRestoreTest, MemoryAfterTheIstLosesLpisWhereTheyAreInMemory) {
  std::vector<Step> steps = Without(Step::kMemory);
  steps.push_back(Step::kMemory);
  // The registers and SPIs are there, the LPIs are what memory held before: nothing.
  TestVm vm(Options(GetParam()));
  vm.Init();
  ASSERT_EQ(RestoreSnapshot(vm, snapshot_, steps), 0);
  vm.Start();
  EXPECT_EQ(vm.Cdia(1) == (kValid | Lpi(5)), merged());
}

TEST_P(SaveRestoreTest, BaserBeforeCfgrWorksOnlyWhereTheWriteDoesNotAllocate) {
  const std::string result = Restore(Moved(Step::kIstBaser, Step::kIstCfgr));
  if (v1()) {
    EXPECT_EQ(result, "state lost");
  } else {
    EXPECT_EQ(result, "");
  }
}

TEST_P(SaveRestoreTest, IstBeforeBaserIsRefusedInTheMergedDialect) {
  const std::string result = Restore(Moved(Step::kIst, Step::kIstBaser));
  if (merged()) {
    EXPECT_EQ(result, "errno " + std::to_string(EINVAL));
  } else {
    EXPECT_NE(result, "");  // silently without LPIs
  }
}

TEST_P(SaveRestoreTest, IstBeforeCfgrDescribesNoTable) {
  const std::vector<Step> steps = {Step::kMemory, Step::kIdRegisters, Step::kIstBaser, Step::kIst,
                                   Step::kIstCfgr};
  const std::string result = Restore(steps);
  if (merged()) {
    EXPECT_EQ(result, "errno " + std::to_string(EINVAL));
  }
  if (v2()) {
    EXPECT_EQ(result, "errno " + std::to_string(ENXIO));
  }
  if (v1()) {
    EXPECT_EQ(result, "state lost");
  }
}

TEST_P(SaveRestoreTest, OtherRegistersMayPrecedeTheIst) {
  if (v1()) GTEST_SKIP() << "the first series wants them after";
  EXPECT_EQ(Restore(Moved(Step::kOtherIrs, Step::kIdRegisters)), "");
}

TEST_P(SaveRestoreTest, IdRegistersMayFollowTheRestWhereValuesAreThisVms) {
  std::vector<Step> steps = Without(Step::kIdRegisters);
  steps.push_back(Step::kIdRegisters);
  EXPECT_EQ(Restore(steps), "");
}

TEST_P(SaveRestoreTest, WithoutTheIstRunIsRefusedOrLpisAreLost) {
  TestVm vm(Options(GetParam()));
  vm.Init();
  ASSERT_EQ(RestoreSnapshot(vm, snapshot_, Without(Step::kIst)), 0);
  EXPECT_EQ(vm.Run(), merged() ? EINVAL : 0);
}

TEST_P(SaveRestoreTest, AfterTheFirstRunIstIsRefused) {
  TestVm vm(Options(GetParam()));
  vm.Init().Start();
  EXPECT_EQ(vm.RestoreIst(snapshot_.ist), EBUSY);
  EXPECT_EQ(RestoreSnapshot(vm, snapshot_), EBUSY);
}

TEST_P(SaveRestoreTest, BeforeInitEverythingIsRefused) {
  TestVm vm(Options(GetParam()));
  ASSERT_EQ(vm.SetAddr(kTestIrsBase.value), 0);
  for (Step step : kRestoreOrder) {
    if (step == Step::kMemory || (step == Step::kSpiLoop && !v1())) continue;
    EXPECT_EQ(RestoreSnapshot(vm, snapshot_, {step}), EBUSY) << static_cast<int>(step);
  }
}

TEST_P(SaveRestoreTest, SaveWhileRunningIsRefused) {
  source_.machine().running = true;
  SavedIst ist;
  uint64_t value = 0;
  std::vector<uint32_t> flat(1024);
  EXPECT_EQ(source_.Get(kvm::kVgicGrpIst, 0, flat.data()), EBUSY);
  EXPECT_EQ(source_.GetIrs(0x80, &value), EBUSY);
  EXPECT_EQ(source_.GetCpu(0, kIccCr0, &value), EBUSY);
}

// 7.1, v1: without its SPI loop the trigger mode of level SPIs is lost; elsewhere HM carries it.
TEST_P(SaveRestoreTest, SpiLoopCarriesTheTriggerModeInTheFirstSeriesOnly) {
  TestVm vm(Options(GetParam()));
  vm.Init();
  ASSERT_EQ(RestoreSnapshot(vm, snapshot_, Without(Step::kSpiLoop)), 0);
  ASSERT_EQ(vm.SetIrs(0x108, 7), 0);
  EXPECT_EQ(vm.Irs(0x114), v1() ? 0u : 1u);
}

TEST_P(SaveRestoreTest, GuestWithoutLpisNeedsNoBaser) {
  TestVm source(Options(GetParam()));
  source.Init().Start();
  source.SetUp(Spi(3), 2);
  source.Pend(Spi(3));
  const TestSnapshot snapshot = SaveSnapshot(source);
  TestVm vm(Options(GetParam()));
  vm.Init();
  ASSERT_EQ(RestoreSnapshot(vm, snapshot), 0);
  EXPECT_EQ(vm.Run(), 0);
  vm.EnableCpus();
  vm.EnableIrs();
  EXPECT_EQ(vm.Cdia(), kValid | Spi(3));
}

// --- 7.4 Cross-host checks (c) -------------------------------------------------------------------

struct CrossRow {
  const char* name;
  TestVmOptions destination;
  int error;
};

class CrossHostTest : public testing::TestWithParam<CrossRow> {};
INSTANTIATE_TEST_SUITE_P(
    Hosts, CrossHostTest,
    testing::Values(CrossRow{"SameHost", {.vcpu_ids = {0, 1}, .nr_spis = 64}, 0},
                    CrossRow{"MorePriorityBitsIsFine",
                             {.vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {.priority_bits = 5}},
                             0},
                    CrossRow{"FewerPriorityBits",
                             {.vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {.priority_bits = 4}},
                             EINVAL},
                    CrossRow{"FewerIdBits",
                             {.vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {.id_bits = 14}},
                             EINVAL},
                    CrossRow{"LargerMinimum",
                             {.vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {.min_lpi_id_bits = 11}},
                             EINVAL},
                    CrossRow{"SmallerMinimumIsFine",
                             {.vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {.min_lpi_id_bits = 5}},
                             0},
                    CrossRow{"HigherVcpuId", {.vcpu_ids = {0, 2}, .nr_spis = 64}, EINVAL},
                    CrossRow{"OtherNrIrqs", {.vcpu_ids = {0, 1}, .nr_spis = 96}, EINVAL},
                    CrossRow{"OtherPaRangeIsNotChecked",
                             {.vcpu_ids = {0, 1}, .nr_spis = 64, .limits = {.pa_range = 0}},
                             0}),
    [](const auto& info) { return info.param.name; });

TEST_P(CrossHostTest, IdRegistersAreAcceptedOrRefused) {
  TestVm source(Options(Dialect::kMerged));
  Work(source);
  const TestSnapshot snapshot = SaveSnapshot(source);
  TestVm vm(GetParam().destination);
  vm.Init();
  EXPECT_EQ(RestoreSnapshot(vm, snapshot, {Step::kIdRegisters}), GetParam().error);
}

// --- 7.3 Sizes -----------------------------------------------------------------------------------

TEST(SizesTest, BuffersAreFourBytesForEachInterrupt) {
  for (uint32_t spis : {32u, 1024u}) {
    for (uint32_t bits : {10u, 12u, 16u}) {
      TestVm vm({.nr_spis = spis});
      vm.Init().Start();
      vm.EnableLpis(bits);
      SavedIst ist;
      ASSERT_EQ(vm.SaveIst(&ist), 0);
      EXPECT_EQ(ist.spis.size() * 4, spis * 4);
      EXPECT_EQ(ist.lpis.size() * 4, 4u << bits);
      EXPECT_THAT(ist.lpis, testing::Each(0u));
    }
  }
}

}  // namespace
}  // namespace firn::software::gicv5
