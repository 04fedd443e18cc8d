// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// PSCI in the machine: vCPUs go on and off, the system goes down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kInvalidParameters = static_cast<uint64_t>(-2);
constexpr uint64_t kAlreadyOn = static_cast<uint64_t>(-4);

// Every start of a vCPU finds the architectural reset state, whatever it did before.
TEST(PowerTest, CpuOnGivesACleanResetStateEveryTime) {
  constexpr uint64_t kRounds = 4;
  Guest guest("power", {.vcpu_ids = {0, 5}});
  guest.Start(0, "on_off");
  guest.Set(0, kvm::CoreX(19), MpidrAffinity(5));
  guest.Set(0, kvm::CoreX(5), kRounds);
  ASSERT_TRUE(guest.Run().powered_off());
  const std::vector<uint64_t> reports = guest.reports();
  // CPU_ON's result and the vCPU's 11 values, in either order of the first.
  ASSERT_EQ(reports.size(), kRounds * 12);
  for (uint64_t round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    std::vector<uint64_t> values(reports.begin() + static_cast<long>(round) * 12,
                                 reports.begin() + static_cast<long>(round) * 12 + 12);
    EXPECT_EQ(values[0], 0u);             // CPU_ON
    EXPECT_EQ(values[1], 0x700 + round);  // X0: the context
    EXPECT_EQ(values[2], 0u);             // SCTLR_EL1.M
    EXPECT_EQ(values[3], 4u);             // CurrentEL: EL1
    EXPECT_EQ(values[4], 0x3c0u);         // DAIF
    EXPECT_EQ(values[5], 1u);             // SPSel
    for (int n = 6; n < 12; ++n) {        // SP, VBAR, TTBR0, TPIDR, CNTV_CTL, X5 + X17
      EXPECT_EQ(values[static_cast<size_t>(n)], 0u) << n;
    }
  }
  EXPECT_EQ(*guest.vcpu(1).GetMpState(), kvm::kMpStateStopped);
  EXPECT_EQ(guest.Get(1, kvm::SysregId(reg::kTpidrEl1)), 0x40200000u);  // as it left it
}

class CallTest : public ::testing::Test {
 protected:
  uint64_t Call(uint64_t function, uint64_t x1 = 0, uint64_t x2 = 0, uint64_t x3 = 0) {
    Guest guest("power", {.vcpu_ids = {0, 1, 17}});
    guest.Start(0, "call");
    guest.Set(0, kvm::CoreX(0), function);
    guest.Set(0, kvm::CoreX(1), x1);
    guest.Set(0, kvm::CoreX(2), x2);
    guest.Set(0, kvm::CoreX(3), x3);
    EXPECT_TRUE(guest.Run().powered_off());
    return guest.reports().empty() ? 12345 : guest.reports().front();
  }
};

TEST_F(CallTest, CpuOnOfABadTarget) {
  EXPECT_EQ(Call(0xc4000003, 2, Guest::kMemory.value), kInvalidParameters);
  EXPECT_EQ(Call(0xc4000003, 17, Guest::kMemory.value), kInvalidParameters);  // id, not MPIDR
  EXPECT_EQ(Call(0xc4000003, 0, Guest::kMemory.value), kAlreadyOn);
  EXPECT_EQ(Call(0xc4000003, ~uint64_t{0}, Guest::kMemory.value), kInvalidParameters);
}

TEST_F(CallTest, AffinityInfoOfGroups) {
  EXPECT_EQ(Call(0xc4000004, 0, 0), 0u);
  EXPECT_EQ(Call(0xc4000004, 1, 0), 1u);
  EXPECT_EQ(Call(0xc4000004, 1, 1), 0u);      // Aff1 0 has vCPU 0, which is on
  EXPECT_EQ(Call(0xc4000004, 0x100, 1), 1u);  // Aff1 1 has vCPU 17 alone
  EXPECT_EQ(Call(0xc4000004, 0x101, 0), 1u);
  EXPECT_EQ(Call(0xc4000004, 0x100, 2), 0u);
  EXPECT_EQ(Call(0xc4000004, 0, 3), 0u);
  EXPECT_EQ(Call(0xc4000004, 0x200, 1), kInvalidParameters);
  EXPECT_EQ(Call(0xc4000004, uint64_t{1} << 32, 3), kInvalidParameters);
}

TEST(PowerTest, SystemOffAndResetAreExits) {
  for (const auto& [function, event] :
       {std::pair<uint64_t, uint32_t>{0x84000008, kvm::kSystemEventShutdown},
        {0x84000009, kvm::kSystemEventReset},
        {0x84000012, kvm::kSystemEventReset}}) {
    Guest guest("power");
    guest.Start(0, "call");
    guest.Set(0, kvm::CoreX(0), function);
    guest.Set(0, kvm::CoreX(1), 0);
    const GuestOutcome outcome = guest.Run();
    ASSERT_TRUE(outcome.exit.ok());
    const auto* exit = std::get_if<SystemEventExit>(&*outcome.exit);
    ASSERT_NE(exit, nullptr);
    EXPECT_EQ(exit->type, event);
  }
}

TEST(PowerTest, PsciVersionIsTheRegisters) {
  Guest guest("power");
  guest.Start(0, "call");
  guest.Set(0, kvm::kPsciVersion, 2);
  guest.Set(0, kvm::CoreX(0), 0x84000000);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(2));
}

TEST(PowerTest, CpuSuspendWakesByTheTimer) {
  constexpr uint64_t kTicks = 1'000'000;
  Guest guest("power");
  guest.Start(0, "suspend");
  guest.Set(0, kvm::CoreX(1), kTicks);
  ASSERT_TRUE(guest.Run().powered_off());
  const std::vector<uint64_t> reports = guest.reports();
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0], 0u);   // SUCCESS
  EXPECT_EQ(reports[1], 1u);   // the time has come
  EXPECT_LT(reports[2], 20u);  // and only just
  EXPECT_LT(guest.vcpu(0).stats().instructions, 1000u);
}

}  // namespace
}  // namespace firn::software
