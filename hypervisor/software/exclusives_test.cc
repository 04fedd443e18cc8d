// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The exclusive monitor of a vCPU: a stop between an exclusive load and its store is seen by the
// guest where it might be saved there, and nowhere else; nor does the store succeed when another
// vCPU has stored between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kWord = 0x40200000;
constexpr uint64_t kDone = 0, kRefused = 1;  // what STXR says
constexpr uint64_t kBetween = 1;             // instructions: the load is done, the store is not

class ExclusivesTest : public ::testing::TestWithParam<const char*> {
 protected:
  // A guest that stands still between the load and the store of `label`.
  std::unique_ptr<Guest> StoppedBetween(std::string_view label) {
    auto guest = std::make_unique<Guest>("exclusives");
    guest->Start(0, label);
    guest->Set(0, kvm::CoreX(6), kWord);
    EXPECT_TRUE(guest->vm().SetInstructionLimit(kBetween).ok());
    const GuestOutcome outcome = guest->Run();
    EXPECT_TRUE(std::holds_alternative<InstructionLimitExit>(*outcome.exit));
    EXPECT_TRUE(guest->vm().SetInstructionLimit(std::nullopt).ok());
    return guest;
  }
};

INSTANTIATE_TEST_SUITE_P(WordAndPair, ExclusivesTest,
                         ::testing::Values("add_one", "add_one_to_pair"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ExclusivesTest, StopAloneIsNotSeen) {
  const std::unique_ptr<Guest> guest = StoppedBetween(GetParam());
  EXPECT_TRUE(guest->Run().powered_off());
  EXPECT_THAT(guest->reports(), ElementsAre(kDone, 1));
}

// The registers of a vCPU do not tell its monitor.
TEST_P(ExclusivesTest, WhoGoesOnFromWhereItWasSavedIsLikeWhoIsRestoredThere) {
  const std::unique_ptr<Guest> saved = StoppedBetween(GetParam());
  EXPECT_TRUE(saved->vcpu(0).GetMpState().ok());
  const std::unique_ptr<Guest> restored = std::make_unique<Guest>("exclusives");
  restored->Start(0, GetParam());
  for (const uint64_t id : {kvm::CoreX(1), kvm::CoreX(3), kvm::CoreX(6), kvm::kCorePc}) {
    restored->Set(0, id, saved->Get(0, id));
  }
  for (Guest* guest : {saved.get(), restored.get()}) {
    EXPECT_TRUE(guest->Run().powered_off());
    EXPECT_THAT(guest->reports(), ElementsAre(kRefused, 0));
  }
}

// What the vCPU did before its state was set is of no account.
TEST_P(ExclusivesTest, ResetForgetsTheLoad) {
  const std::unique_ptr<Guest> guest = StoppedBetween(GetParam());
  const uint64_t pc = guest->Get(0, kvm::kCorePc);
  kvm::VcpuInit init = {.target = kvm::kArmTargetGenericV8,
                        .features = {1u << kvm::kArmVcpuPsci02}};
  ASSERT_TRUE(guest->vcpu(0).Init(init).ok());
  guest->Start(0, GetParam());
  guest->Set(0, kvm::CoreX(6), kWord);
  guest->Set(0, kvm::kCorePc, pc);
  EXPECT_TRUE(guest->Run().powered_off());
  EXPECT_THAT(guest->reports(), ElementsAre(kRefused, 0));
}

// Longer than a turn.
constexpr uint64_t kRounds = 200'000;

TEST(ExclusivesInTurnsTest, AloneStoresHoweverLongItTakes) {
  Guest guest("exclusives", {.vcpu_ids = {0, 1}});
  guest.Start(0, "add_one_slowly");
  guest.Set(0, kvm::CoreX(5), kRounds);
  guest.Set(0, kvm::CoreX(6), kWord);
  std::atomic<bool> done = false;
  std::thread kicker([&] {
    while (!done) {
      guest.vcpu(0).Kick();
      guest.vcpu(1).stats();
    }
  });
  EXPECT_TRUE(guest.Run().powered_off());
  done = true;
  kicker.join();
  EXPECT_THAT(guest.reports(), ElementsAre(kDone, 1));
}

// Also where the word is the same again.
TEST(ExclusivesInTurnsTest, RefusedWhereAnotherVcpuStoredBetween) {
  Guest guest("exclusives", {.vcpu_ids = {0, 1}});
  for (const unsigned vcpu : {0u, 1u}) {
    guest.Start(vcpu, vcpu == 0 ? "add_one_slowly" : "store_same");
    guest.Set(vcpu, kvm::CoreX(5), kRounds);
    guest.Set(vcpu, kvm::CoreX(6), kWord);
  }
  EXPECT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kRefused, 0));
}

}  // namespace
}  // namespace firn::software
