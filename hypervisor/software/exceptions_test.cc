// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Exceptions to EL1: vector, syndrome, return address, fault address and saved state; and what
// EL0 may not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hypervisor/software/machine_clock.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/testing/guest_fixture.h"
#include "hypervisor/software/testing/stage1_tables.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kIl = 1u << 25;
constexpr uint64_t kEl0 = 0, kEl1h = 0x3c5;
constexpr uint64_t kVectorSame = 0x200, kVectorLower = 0x400;

// Runs the entry at `label` with PSTATE `pstate`.
std::vector<uint64_t> Reports(Guest& guest, std::string_view label, uint64_t pstate) {
  guest.Start(0, label);
  guest.Set(0, kvm::kCorePstate, pstate);
  EXPECT_TRUE(guest.Run().powered_off());
  return guest.reports();
}

std::vector<uint64_t> Reports(std::string_view label, uint64_t pstate) {
  Guest guest("exceptions");
  return Reports(guest, label, pstate);
}

// What the handler reports, FAR aside.
struct Taken {
  uint64_t vector, esr, elr_offset, spsr;
};
void ExpectTaken(std::string_view label, uint64_t pstate, const Taken& taken) {
  SCOPED_TRACE(label);
  Guest guest("exceptions");
  EXPECT_THAT(Reports(guest, label, pstate),
              ElementsAre(taken.vector, taken.esr, guest.Symbol(label) + taken.elr_offset,
                          ::testing::_, taken.spsr));
}

TEST(ExceptionsTest, SvcReturnsBehindIt) {
  constexpr uint32_t kEsr = 0x15u << 26 | kIl | 0x123;
  ExpectTaken("svc", kEl1h, {kVectorSame, kEsr, 4, kEl1h});
  ExpectTaken("svc", kEl0, {kVectorLower, kEsr, 4, kEl0});
}

// Where VBAR_EL1 is not memory the CPU takes one exception after another.
TEST(ExceptionsTest, TimePassesWhereTheVectorCannotBeExecuted) {
  Guest guest("exceptions");
  guest.Start(0, "udf");
  guest.Set(0, kvm::SysregId(reg::kVbarEl1), 0);
  ASSERT_TRUE(guest.vm().SetInstructionLimit(1000).ok());
  EXPECT_TRUE(std::holds_alternative<InstructionLimitExit>(*guest.Run().exit));
}

TEST(ExceptionsTest, OthersGoOnWhereTheVectorCannotBeExecuted) {
  Guest guest("exceptions", {.vcpu_ids = {0, 1}});
  guest.Start(0, "udf");
  guest.Set(0, kvm::SysregId(reg::kVbarEl1), 0);
  guest.Start(1, "svc");
  EXPECT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports()[0], kVectorSame);
}

// They keep their values. With them a guest that is restored is like one that goes on.
TEST(ExceptionsTest, HardwareBreakpointsDoNotFire) {
  constexpr uint64_t kWatched = 0x40200000, kBcr = 0xf << 5 | 3 << 1 | 1,
                     kWcr = 0xff << 5 | 3 << 3 | 3 << 1 | 1;
  Guest guest("exceptions");
  guest.Start(0, "set_breakpoints");
  guest.Set(0, kvm::CoreX(1), kWatched);
  EXPECT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(guest.Symbol("breakpoint"), kBcr, kWatched, kWcr, 0));
  EXPECT_EQ(guest.Get(0, kvm::SysregId({2, 0, 0, 0, 5})), kBcr);
  EXPECT_EQ(guest.Get(0, kvm::SysregId({2, 0, 0, 0, 7})), kWcr);
}

// As in KVM: what is not memory is in no cache.
TEST(ExceptionsTest, CacheMaintenanceOfWhatIsNotMemoryIsNoAccess) {
  for (const std::string_view label : {"dc_cvac", "dc_cvap", "dc_cvadp", "dc_civac", "dc_ivac"}) {
    Guest guest("exceptions");
    guest.Start(0, label);
    guest.Set(0, kvm::CoreX(1), 0);
    EXPECT_TRUE(guest.Run().powered_off()) << label;
    EXPECT_THAT(guest.reports(), ElementsAre(0x5a)) << label;
  }
}

TEST(ExceptionsTest, HiddenFeaturesCannotBeUsed) {
  Guest guest("exceptions");
  guest.Start(0, "use_hidden");
  EXPECT_TRUE(guest.Run().powered_off());
  constexpr uint64_t kFpen = 1 << 20;
  EXPECT_THAT(guest.reports(), ElementsAre(kFpen, 0, 0));
}

// They would be another run's.
TEST(ExceptionsTest, RandomNumbersAreNone) {
  Guest guest("exceptions");
  guest.Start(0, "use_random");
  EXPECT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(0, 0));
}

// Encodings of no instruction for which Unicorn ends the process, were it not kept from it.
TEST(ExceptionsTest, UndefinedWhereUnicornGivesUp) {
  for (const std::string_view label : {"fp16_of_no_instruction", "fp16_misc_of_no_instruction"}) {
    ExpectTaken(label, kEl1h, {kVectorSame, kIl, 0, kEl1h});
    ExpectTaken(label, kEl0, {kVectorLower, kIl, 0, kEl0});
  }
}

TEST(ExceptionsTest, BrkReturnsToIt) {
  constexpr uint32_t kEsr = 0x3cu << 26 | kIl | 0x456;
  ExpectTaken("brk", kEl1h, {kVectorSame, kEsr, 0, kEl1h});
  ExpectTaken("brk", kEl0, {kVectorLower, kEsr, 0, kEl0});
}

TEST(ExceptionsTest, UndefinedReturnsToIt) {
  ExpectTaken("udf", kEl1h, {kVectorSame, kIl, 0, kEl1h});
  ExpectTaken("udf", kEl0, {kVectorLower, kIl, 0, kEl0});
}

TEST(ExceptionsTest, ConditionFlagsAreSaved) {
  constexpr uint64_t kFlags = 0xfu << 28;
  ExpectTaken("udf", kEl0 | kFlags, {kVectorLower, kIl, 0, kEl0 | kFlags});
}

// EL1t uses the vectors of SP_EL0.
TEST(ExceptionsTest, CurrentLevelWithSpEl0HasItsOwnVectors) {
  ExpectTaken("svc", 0x3c4, {0, 0x15u << 26 | kIl | 0x123, 4, 0x3c4});
}

TEST(ExceptionsTest, HypercallsFromEl0AreUndefined) {
  ExpectTaken("hvc_unknown", kEl0, {kVectorLower, kIl, 0, kEl0});
  ExpectTaken("smc", kEl0, {kVectorLower, kIl, 0, kEl0});
}

TEST(ExceptionsTest, UnknownHypercallsAnswerNotSupported) {
  EXPECT_THAT(Reports("hvc_unknown", kEl1h), ElementsAre(~uint64_t{0}));
  EXPECT_THAT(Reports("smc", kEl1h), ElementsAre(~uint64_t{0}));
}

TEST(ExceptionsTest, GicIsForEl1Only) {
  for (const char* label : {"read_icc", "gicr_cdia", "gic_cden"}) {
    ExpectTaken(label, kEl0, {kVectorLower, kIl, 0, kEl0});
  }
  EXPECT_THAT(Reports("read_icc", kEl1h), ElementsAre(0));   // reset value of PCR
  EXPECT_THAT(Reports("gicr_cdia", kEl1h), ElementsAre(0));  // nothing pending
  ExpectTaken("read_icc_dropped", kEl1h, {kVectorSame, kIl, 0, kEl1h});
}

TEST(ExceptionsTest, WithoutAGicItsInstructionsAreUndefined) {
  for (const char* label : {"read_icc", "gicr_cdia", "gic_cden"}) {
    SCOPED_TRACE(label);
    Guest guest("exceptions", {.has_gic = false});
    EXPECT_THAT(Reports(guest, label, kEl1h),
                ElementsAre(kVectorSame, kIl, guest.Symbol(label), ::testing::_, kEl1h));
  }
}

// EC 0x18: ISS Op0 [21:20], Op2 [19:17], Op1 [16:14], CRn [13:10], Rt [9:5], CRm [4:1], read [0].
constexpr uint64_t Trapped(SystemRegister r, bool is_read) {
  return 0x18u << 26 | kIl | uint64_t{r.op0} << 20 | uint64_t{r.op2} << 17 | uint64_t{r.op1} << 14 |
         uint64_t{r.crn} << 10 | uint64_t{r.crm} << 1 | is_read;
}

TEST(ExceptionsTest, TimersAreTrappedAtEl0WithoutCntkctl) {
  ExpectTaken("read_cntvct", kEl0, {kVectorLower, Trapped(reg::kCntvctEl0, true), 0, kEl0});
  ExpectTaken("read_cntpct", kEl0, {kVectorLower, Trapped(reg::kCntpctEl0, true), 0, kEl0});
  ExpectTaken("read_cntfrq", kEl0, {kVectorLower, Trapped(reg::kCntfrqEl0, true), 0, kEl0});
  ExpectTaken("write_cntv_cval", kEl0, {kVectorLower, Trapped(reg::kCntvCvalEl0, false), 0, kEl0});
  ExpectTaken("write_cntp_ctl", kEl0, {kVectorLower, Trapped(reg::kCntpCtlEl0, false), 0, kEl0});
}

TEST(ExceptionsTest, CntkctlLetsEl0ReadTheCounter) {
  Guest guest("exceptions");
  guest.Set(0, kvm::SysregId(reg::kCntkctlEl1), 2);  // EL0VCTEN
  guest.Set(0, kvm::kTimerCnt, 5000);
  const std::vector<uint64_t> reports = Reports(guest, "read_cntvct", kEl0);
  ASSERT_EQ(reports.size(), 6u);  // and an undefined HVC
  EXPECT_EQ(reports[0], 5000u);   // one instruction is less than a tick

  Guest other("exceptions");
  other.Set(0, kvm::SysregId(reg::kCntkctlEl1), 2);
  EXPECT_THAT(
      Reports(other, "read_cntpct", kEl0),
      ElementsAre(kVectorLower, Trapped(reg::kCntpctEl0, true), ::testing::_, ::testing::_, kEl0));
}

TEST(ExceptionsTest, IdRegistersAtEl1) {
  EXPECT_THAT(Reports("read_mpidr", kEl1h), ElementsAre(uint64_t{1} << 31));
  EXPECT_THAT(Reports("read_pfr2", kEl1h), ElementsAre(1u << 12));  // GCIE
  EXPECT_THAT(Reports("read_smfr0", kEl1h), ElementsAre(0));
  Guest guest("exceptions");
  const uint64_t pfr0 = guest.Get(0, kvm::kIdAa64Pfr0El1);
  EXPECT_THAT(Reports(guest, "read_pfr0", kEl1h), ElementsAre(pfr0));
}

TEST(ExceptionsTest, WithoutAGicPfr2ShowsNone) {
  Guest guest("exceptions", {.has_gic = false});
  EXPECT_THAT(Reports(guest, "read_pfr2", kEl1h), ElementsAre(0));
}

// An ID register at EL0 is undefined to the hook: it must end, not loop.
TEST(ExceptionsTest, IdRegisterAtEl0IsNotAllowed) {
  for (const char* label : {"read_midr", "read_mpidr", "read_pfr0"}) {
    Guest guest("exceptions");
    const std::vector<uint64_t> reports = Reports(guest, label, kEl0);
    ASSERT_EQ(reports.size(), 5u) << label;
    EXPECT_EQ(reports[0], kVectorLower);
    EXPECT_EQ(reports[2], guest.Symbol(label));
  }
}

TEST(ExceptionsTest, MpidrFollowsTheVcpuId) {
  Guest guest("exceptions", {.vcpu_ids = {0x123}});
  EXPECT_THAT(Reports(guest, "read_mpidr", kEl1h), ElementsAre(uint64_t{1} << 31 | 0x1203));
}

TEST(ExceptionsTest, StackPointersAreBanked) {
  Guest guest("exceptions");
  guest.Start(0, "stack_pointers");
  guest.Set(0, kvm::kCoreSpEl1, 0x1000);
  guest.Set(0, kvm::kCoreSp, 0x2000);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(0x1000, 0x2000, 0x2000));
  // Now at EL1t.
  EXPECT_EQ(guest.Get(0, kvm::kCorePstate) & 0xf, 4u);
  EXPECT_EQ(guest.Get(0, kvm::kCoreSp), 0x2000u);
  EXPECT_EQ(guest.Get(0, kvm::kCoreSpEl1), 0x1000u);
}

// With the MMU on: memory and REPORT are mapped, all else is not.
class MmuTest : public ::testing::Test {
 protected:
  MmuTest() : guest_("exceptions"), tables_(&guest_.memory(), GuestAddress(0x40200000), 12, 39) {
    constexpr uint64_t kBlock = 2 << 20;
    tables_.Map(Guest::kMemory.value, Guest::kMemory.value, 2);
    tables_.Map(Guest::kReport.value & ~(kBlock - 1), Guest::kReport.value & ~(kBlock - 1), 2);
    tables_.Map(kEl0Code, Guest::kMemory.value, 2, /*el0=*/true);
  }
  std::vector<uint64_t> Run(std::string_view label, uint64_t pstate, uint64_t code_offset = 0,
                            uint64_t x1 = kNowhere) {
    guest_.Start(0, label);
    guest_.Set(0, kvm::SysregId(reg::kMairEl1), Stage1Tables::kMair);
    guest_.Set(0, kvm::SysregId(reg::kTtbr0El1), tables_.ttbr());
    guest_.Set(0, kvm::SysregId(reg::kTcrEl1), tables_.tcr(Stage1Tables::Half::kLower));
    guest_.Set(0, kvm::SysregId(reg::kSctlrEl1), Stage1Tables::kSctlr);
    guest_.Set(0, kvm::kCorePc, guest_.Symbol(label) + code_offset);
    guest_.Set(0, kvm::kCorePstate, pstate);
    guest_.Set(0, kvm::CoreX(1), x1);
    EXPECT_TRUE(guest_.Run().powered_off());
    return guest_.reports();
  }

  static constexpr uint64_t kEl0Code = 0x80000000;
  static constexpr uint64_t kNowhere = 0x7'1234'5678;
  Guest guest_;
  Stage1Tables tables_;
};

// DFSC 0b0001LL: translation fault, level 1 here.
TEST_F(MmuTest, LoadAndStoreFaultAtEl1) {
  EXPECT_THAT(Run("load", kEl1h), ElementsAre(kVectorSame, 0x25u << 26 | kIl | 0x05,
                                              guest_.Symbol("load"), kNowhere, kEl1h));
}
TEST_F(MmuTest, StoreFaultSaysSo) {
  EXPECT_THAT(Run("store", kEl1h), ElementsAre(kVectorSame, 0x25u << 26 | kIl | 1 << 6 | 0x05,
                                               guest_.Symbol("store"), kNowhere, kEl1h));
}
TEST_F(MmuTest, LoadFaultAtEl0) {
  constexpr uint64_t kOffset = kEl0Code - Guest::kMemory.value;
  EXPECT_THAT(Run("load", kEl0, kOffset),
              ElementsAre(kVectorLower, 0x24u << 26 | kIl | 0x05, guest_.Symbol("load") + kOffset,
                          kNowhere, kEl0));
}
TEST_F(MmuTest, FetchFaultAtEl1) {
  EXPECT_THAT(Run("jump", kEl1h),
              ElementsAre(kVectorSame, 0x21u << 26 | kIl | 0x05, kNowhere, kNowhere, kEl1h));
}
TEST_F(MmuTest, FetchFaultAtEl0) {
  constexpr uint64_t kOffset = kEl0Code - Guest::kMemory.value;
  EXPECT_THAT(Run("jump", kEl0, kOffset),
              ElementsAre(kVectorLower, 0x20u << 26 | kIl | 0x05, kNowhere, kNowhere, kEl0));
}
// EL0 executes from kEl0Code but may not read EL1's mapping of the same memory: permission fault,
// level 2.
TEST_F(MmuTest, El0HasNoAccessToEl1Memory) {
  constexpr uint64_t kOffset = kEl0Code - Guest::kMemory.value;
  EXPECT_THAT(Run("load", kEl0, kOffset, Guest::kMemory.value),
              ElementsAre(kVectorLower, 0x24u << 26 | kIl | 0x0e, guest_.Symbol("load") + kOffset,
                          Guest::kMemory.value, kEl0));
}
// Memory that is mapped by stage 1 but is in no slot: not a fault of the guest, an MMIO exit.
TEST_F(MmuTest, UnbackedMemoryIsMmioWithItsPhysicalAddress) {
  tables_.Map(0x90000000, 0x0c000000, 2);
  tables_.Map(kNowhere & ~uint64_t{4095}, 0x0c001000);
  std::vector<uint64_t> addresses;
  guest_.OnMmio(GuestAddress(0x0c001678), [&](unsigned, MmioExit& exit) {
    addresses.push_back(exit.address.value);
    SetMmioValue(exit, 77);
  });
  EXPECT_THAT(Run("load", kEl1h), ElementsAre(77));
  EXPECT_THAT(addresses, ElementsAre(0x0c001678));
}
// The walk itself reads outside memory: external abort on the walk, no exit.
TEST_F(MmuTest, TableOutsideMemoryIsAnAbort) {
  const GuestAddress entry(tables_.ttbr() + (kNowhere >> 30) * 8);
  ASSERT_TRUE(guest_.memory().Store<uint64_t>(entry, 0x0d000000 | 3).ok());
  const std::vector<uint64_t> reports = Run("load", kEl1h);
  ASSERT_EQ(reports.size(), 5u);
  EXPECT_EQ(reports[1] >> 26, 0x25u);
  EXPECT_EQ(reports[3], kNowhere);
}

}  // namespace
}  // namespace firn::software
