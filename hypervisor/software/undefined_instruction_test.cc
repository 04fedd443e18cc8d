// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Instructions at which Unicorn gives up are as any other undefined one: what is before them was
// executed once, what is behind them goes on, on every CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicorn/unicorn.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "hypervisor/software/testing/guest_fixture.h"

namespace {
bool refuse = false;
}  // namespace

// The linker puts this between firn and Unicorn.
extern "C" {
uc_err __real_uc_open(uc_arch arch, uc_mode mode, uc_engine** result);   // NOLINT(bugprone-*)
uc_err __wrap_uc_open(uc_arch arch, uc_mode mode, uc_engine** result) {  // NOLINT(bugprone-*)
  return refuse ? UC_ERR_NOMEM : __real_uc_open(arch, mode, result);
}
}

namespace firn::software {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

constexpr uint32_t kUdf = 0x1234;
constexpr uint32_t kUnknownToUnicorn[] = {0x2ed61cd8, 0x0ef9f800, 0x6edd0fa6, 0x5ef96b15};
constexpr uint32_t kOne = kUnknownToUnicorn[0];

constexpr GuestAddress kWords{0x40200000};

// A guest that is about to do `rounds` of work with `instruction` in it, on each CPU.
std::unique_ptr<Guest> MakeGuest(uint32_t instruction, uint64_t rounds, unsigned cpus,
                                 std::string_view label = "work") {
  GuestOptions options{.vcpu_ids = {}};
  for (uint32_t id = 0; id < cpus; ++id) options.vcpu_ids.push_back(id);
  auto guest = std::make_unique<Guest>("undefined", options);
  EXPECT_TRUE(guest->memory()
                  .Store<uint32_t>(GuestAddress(guest->Symbol("instruction")), instruction)
                  .ok());
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    guest->Start(cpu, label);
    guest->Set(cpu, kvm::CoreX(8), cpus);
    guest->Set(cpu, kvm::CoreX(9), kWords.value + cpu * sizeof(uint64_t));
    guest->Set(cpu, kvm::CoreX(10), rounds + cpu);
    guest->Set(cpu, kvm::CoreX(26), 0);
  }
  return guest;
}
class UndefinedInstructionTest : public ::testing::TestWithParam<uint32_t> {};

// Where Unicorn stops as if by WFI, which EL0 may not execute.
TEST_P(UndefinedInstructionTest, IsTakenAsUdfIs) {
  constexpr uint64_t kRounds = 5, kPerRound = 12, kOthers = 0;
  for (const std::string_view label : {"work", "work_at_el0"}) {
    for (const unsigned cpus : {1u, 2u}) {
      SCOPED_TRACE(::testing::Message() << label << " " << cpus);
      const std::unique_ptr<Guest> guest = MakeGuest(GetParam(), kRounds, cpus, label),
                                   other = MakeGuest(kUdf, kRounds, cpus, label);
      EXPECT_TRUE(guest->Run().powered_off());
      EXPECT_TRUE(other->Run().powered_off());
      EXPECT_EQ(guest->reports(), other->reports());
      for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        EXPECT_EQ(guest->vcpu(cpu).stats().instructions, other->vcpu(cpu).stats().instructions);
      }
      std::vector<uint64_t> expected = {kPerRound * kRounds, kRounds, kRounds, kOthers};
      if (cpus == 2) {
        const uint64_t rounds = kRounds + 1;
        expected.insert(expected.end(), {kPerRound * rounds, rounds, rounds, kOthers});
      }
      EXPECT_THAT(guest->reports(), UnorderedElementsAreArray(expected));
    }
  }
}

// Unicorn's translation of a block ends at any instruction where the CPU is to stop.
TEST(UnknownToUnicornTest, IsReachedFromAnyInstruction) {
  constexpr uint64_t kRounds = 2;
  const std::unique_ptr<Guest> whole = MakeGuest(kOne, kRounds, 1);
  EXPECT_TRUE(whole->Run().powered_off());
  const uint64_t instructions = whole->vcpu(0).stats().instructions;
  constexpr uint64_t kLastBlock = 10;  // at most
  ASSERT_GT(instructions, 40u);
  for (uint64_t limit = 1; limit < instructions - kLastBlock; ++limit) {
    SCOPED_TRACE(limit);
    const std::unique_ptr<Guest> guest = MakeGuest(kOne, kRounds, 1);
    ASSERT_TRUE(guest->vm().SetInstructionLimit(limit).ok());
    const GuestOutcome outcome = guest->Run();
    ASSERT_TRUE(outcome.exit.ok() && std::holds_alternative<InstructionLimitExit>(*outcome.exit));
    ASSERT_TRUE(guest->vm().SetInstructionLimit(std::nullopt).ok());
    EXPECT_TRUE(guest->Run().powered_off());
    EXPECT_EQ(guest->reports(), whole->reports());
    EXPECT_EQ(guest->vcpu(0).stats().instructions, instructions);
  }
}

// The guest ends then, not firn.
TEST(UnknownToUnicornTest, WhereThereIsNoOtherUnicornTheGuestFails) {
  const std::unique_ptr<Guest> guest = MakeGuest(kOne, 1, 2);
  guest->Set(0, kvm::CoreX(7), 0x77);
  refuse = true;
  for (int run = 0; run < 2; ++run) {
    const GuestOutcome outcome = guest->Run();
    ASSERT_TRUE(outcome.exit.ok()) << outcome.exit.status();
    const auto* failure = std::get_if<FailureExit>(&*outcome.exit);
    ASSERT_NE(failure, nullptr);
    EXPECT_EQ(failure->reason, kvm::kExitInternalError);
    EXPECT_THAT(failure->detail, HasSubstr(run == 0 ? "uc_open" : "gave up before"));
  }
  refuse = false;
  EXPECT_EQ(guest->Get(0, kvm::CoreX(7)), 0x77u);
}

INSTANTIATE_TEST_SUITE_P(ToUnicorn, UndefinedInstructionTest,
                         ::testing::ValuesIn(kUnknownToUnicorn));

}  // namespace
}  // namespace firn::software
