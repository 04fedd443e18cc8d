// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GIC instructions: gicv5-reference 2.3, 2.5, 5.3, row by row.
#include <gtest/gtest.h>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kValid = 1ull << 32;
constexpr uint64_t kFault = 1;

// The fields of ICC_ICSR_EL1.
constexpr uint64_t kEnabled = 1 << 1;
constexpr uint64_t kPending = 1 << 2;
constexpr uint64_t kActive = 1 << 4;
constexpr uint64_t kLevel = 1 << 5;

// --- Encodings: the words of the reference against what reaches the model
// --------------------------

struct Word {
  const char* name;
  uint32_t word;
  SystemRegister expected;
};

constexpr Word kWords[] = {{"GsbSys", 0xd508c01f, kGsbSys},    {"GsbAck", 0xd508c03f, kGsbAck},
                           {"Cddis", 0xd508c100, kGicCddis},   {"Cden", 0xd508c120, kGicCden},
                           {"Cdpri", 0xd508c140, kGicCdpri},   {"Cdaff", 0xd508c160, kGicCdaff},
                           {"Cdpend", 0xd508c180, kGicCdpend}, {"Cdrcfg", 0xd508c1a0, kGicCdrcfg},
                           {"Cdeoi", 0xd508c1ff, kGicCdeoi},   {"Cddi", 0xd508c200, kGicCddi},
                           {"Cdhm", 0xd508c220, kGicCdhm},     {"Cdia", 0xd528c300, kGicrCdia},
                           {"Cdnmia", 0xd528c320, kGicrCdnmia}};

class WordTest : public testing::TestWithParam<Word> {};
INSTANTIATE_TEST_SUITE_P(Words, WordTest, testing::ValuesIn(kWords),
                         [](const auto& info) { return info.param.name; });

TEST_P(WordTest, DecodesToTheEncodingAndIsDefined) {
  const uint32_t word = GetParam().word;
  const SystemRegister decoded = {
      static_cast<uint8_t>(word >> 19 & 3), static_cast<uint8_t>(word >> 16 & 7),
      static_cast<uint8_t>(word >> 12 & 15), static_cast<uint8_t>(word >> 8 & 15),
      static_cast<uint8_t>(word >> 5 & 7)};
  EXPECT_EQ(decoded, GetParam().expected);
  const bool is_sysl = (word >> 21 & 1) != 0;
  for (Dialect dialect : kAllDialects) {
    TestVm vm({.dialect = dialect});
    vm.Init().Start();
    uint64_t result = 0;
    EXPECT_EQ(vm.gic().ExecuteSys(0, decoded, 0), !is_sysl);
    EXPECT_EQ(vm.gic().ExecuteSysl(0, decoded, false, &result), is_sysl);
  }
}

TEST(UndefinedTest, OtherEncodings) {
  TestVm vm;
  vm.Init().Start();
  uint64_t result = 0;
  for (SystemRegister reg : {SystemRegister{1, 0, 12, 1, 6}, SystemRegister{1, 0, 12, 2, 2},
                             SystemRegister{1, 0, 12, 3, 2}, SystemRegister{1, 4, 12, 1, 4},
                             SystemRegister{1, 0, 7, 1, 0}, SystemRegister{1, 0, 12, 0, 2}}) {
    EXPECT_FALSE(vm.gic().ExecuteSys(0, reg, 0));
    EXPECT_FALSE(vm.gic().ExecuteSysl(0, reg, false, &result));
  }
}

// --- Effects on SPIs and LPIs alike
// ----------------------------------------------------------------

class CommandTest : public testing::TestWithParam<uint64_t> {
 protected:
  CommandTest() {
    vm_.Init().Start();
    vm_.EnableCpus();
    vm_.EnableIrs();
    vm_.EnableLpis();
  }
  uint64_t Config() { return vm_.Config(GetParam()); }
  TestVm vm_{{.vcpu_ids = {0, 1}}};
};
INSTANTIATE_TEST_SUITE_P(Interrupts, CommandTest,
                         testing::Values(Spi(0), Spi(31), Lpi(0), Lpi(63), Lpi(64), Lpi(1023)));

TEST_P(CommandTest, StartsEmpty) { EXPECT_EQ(Config(), 0u); }

TEST_P(CommandTest, CdenAndCddis) {
  vm_.Enable(GetParam());
  EXPECT_EQ(Config(), kEnabled);
  vm_.Enable(GetParam());
  EXPECT_EQ(Config(), kEnabled);
  vm_.Disable(GetParam());
  EXPECT_EQ(Config(), 0u);
  vm_.Disable(GetParam());
  EXPECT_EQ(Config(), 0u);
}

TEST_P(CommandTest, CdpriTakesFiveBitsAndNothingElse) {
  vm_.Sys(kGicCdpri, GetParam() | ~uint64_t{0} << 32);
  EXPECT_EQ(Config(), 0x1full << 11);
  vm_.Priority(GetParam(), 0x0a);
  EXPECT_EQ(Config(), 0x0aull << 11);
}

TEST_P(CommandTest, CdaffTakesTheIaffidAndNoOneOfN) {
  vm_.Affinity(GetParam(), 0x1234);
  EXPECT_EQ(Config(), 0x1234ull << 32);
  vm_.Sys(kGicCdaff, GetParam() | 1ull << 28 | 1ull << 32);
  EXPECT_EQ(Config(), 1ull << 32);
}

TEST_P(CommandTest, CdpendSetsAndClears) {
  vm_.Pend(GetParam());
  EXPECT_EQ(Config(), kPending);
  vm_.Pend(GetParam(), false);
  EXPECT_EQ(Config(), 0u);
}

TEST_P(CommandTest, PendingOfADisabledInterruptIsKeptUntilCden) {
  vm_.Pend(GetParam());
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Enable(GetParam());
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  vm_.Disable(GetParam());
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
}

TEST_P(CommandTest, WholeLifecycle) {
  vm_.SetUp(GetParam(), 9, 1);
  vm_.Pend(GetParam());
  EXPECT_EQ(vm_.Cdia(0), 0u);
  EXPECT_EQ(vm_.Cdia(1), kValid | GetParam());
  EXPECT_EQ(Config(), kEnabled | kActive | 9ull << 11 | 1ull << 32);
  EXPECT_EQ(vm_.Cdia(1), 0u);
  vm_.Pend(GetParam());  // while active: kept
  vm_.Eoi(1);
  EXPECT_FALSE(vm_.gic().IrqAsserted(1));
  vm_.Deactivate(GetParam(), 0);  // any PE may
  EXPECT_EQ(vm_.Cdia(1), kValid | GetParam());
}

TEST_P(CommandTest, PriorityAndAffinityOfAPendingInterruptMove) {
  vm_.SetUp(GetParam(), 9, 0);
  vm_.Pend(GetParam());
  vm_.Msr(kIccPcr, 8, 0);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  vm_.Priority(GetParam(), 8);
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  vm_.Affinity(GetParam(), 1);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_TRUE(vm_.gic().IrqAsserted(1));
}

TEST(CdhmTest, SetsTheModeOfAnLpiAndNotOfAnSpi) {
  TestVm vm;
  vm.Init().Start();
  vm.EnableLpis();
  vm.Sys(kGicCdhm, Lpi(1) | 1ull << 32);
  EXPECT_EQ(vm.Config(Lpi(1)), kLevel);
  vm.Sys(kGicCdhm, Lpi(1));
  EXPECT_EQ(vm.Config(Lpi(1)), 0u);
  vm.Sys(kGicCdhm, Spi(1) | 1ull << 32);
  EXPECT_EQ(vm.Config(Spi(1)), 0u);
}

TEST(CdhmTest, LevelLpiStaysPendingUntilCleared) {
  TestVm vm;
  vm.Init().Start();
  vm.EnableCpus();
  vm.EnableIrs();
  vm.EnableLpis();
  vm.SetUp(Lpi(1), 1);
  vm.Sys(kGicCdhm, Lpi(1) | 1ull << 32);
  vm.Pend(Lpi(1));
  vm.Cdia();
  EXPECT_NE(vm.Config(Lpi(1)) & kPending, 0u);
  vm.Pend(Lpi(1), false);
  vm.Eoi();
  vm.Deactivate(Lpi(1));
  EXPECT_FALSE(vm.gic().IrqAsserted(0));
}

// --- Operands that name no interrupt
// ----------------------------------------------------------------

constexpr uint64_t kBadOperands[] = {
    Spi(32),  // behind the last
    Spi(1024),
    Spi(0xffffff),
    Lpi(1024),
    Lpi(65536),
    Lpi(0xffffff),
    PpiId(3),  // the wrong type for these
    PpiId(27),
    0,  // reserved types
    4ull << 29,
    5ull << 29,
    6ull << 29,
    7ull << 29 | 0xffffff,
    ~uint64_t{0},
};

class BadOperandTest : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Operands, BadOperandTest, testing::ValuesIn(kBadOperands));

TEST_P(BadOperandTest, IsIgnoredAndCdrcfgFaults) {
  TestVm vm;
  vm.Init().Start();
  vm.EnableCpus();
  vm.EnableIrs();
  vm.EnableLpis();
  vm.Msr(kIccPpiEnabler0, ~uint64_t{0});
  SavedIst before;
  ASSERT_EQ(vm.SaveIst(&before), 0);
  const uint64_t all = GetParam() | 1ull << 32;
  for (SystemRegister reg :
       {kGicCddis, kGicCden, kGicCdpri, kGicCdaff, kGicCdpend, kGicCddi, kGicCdhm}) {
    EXPECT_TRUE(vm.gic().ExecuteSys(0, reg, all));
  }
  EXPECT_EQ(vm.Config(GetParam()), kFault);
  SavedIst after;
  ASSERT_EQ(vm.SaveIst(&after), 0);
  EXPECT_EQ(before, after);
  EXPECT_FALSE(vm.gic().IrqAsserted(0));
}

TEST(BadOperandTest, LpiWithoutIstFaults) {
  TestVm vm;
  vm.Init().Start();
  EXPECT_EQ(vm.Config(Lpi(0)), kFault);
  vm.EnableLpis();
  EXPECT_EQ(vm.Config(Lpi(0)), 0u);
}

TEST(BadOperandTest, WithoutIrsEverythingFaults) {
  TestVm vm({.dialect = Dialect::kPpiOnly});
  vm.Init().Start();
  for (uint64_t intid : {Spi(0), Lpi(0)}) {
    vm.Enable(intid);
    vm.Pend(intid);
    vm.Deactivate(intid);
    EXPECT_EQ(vm.Config(intid), kFault);
  }
}

TEST(CddiTest, OfAnInactiveInterruptDoesNothing) {
  TestVm vm;
  vm.Init().Start();
  vm.SetTrigger(1, true);
  vm.Pend(Spi(1));
  vm.Deactivate(Spi(1));
  EXPECT_EQ(vm.Config(Spi(1)), kPending | kLevel);
}

TEST(BarrierTest, ChangeNothing) {
  TestVm vm;
  vm.Init().Start();
  vm.Sys(kGsbSys, ~uint64_t{0});
  vm.Sys(kGsbAck, ~uint64_t{0});
  EXPECT_EQ(vm.Mrs(kIccIcsr), 0u);
}

}  // namespace
}  // namespace firn::software::gicv5
