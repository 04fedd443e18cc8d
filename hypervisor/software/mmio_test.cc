// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Loads and stores outside memory, as exits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr GuestAddress kDevice(0x0b000100);

struct LoadCase {
  const char* label;
  unsigned size;
  uint64_t data;
  uint64_t expected;  // X0 after the load, which was all ones before
};

class LoadTest : public ::testing::TestWithParam<LoadCase> {};

TEST_P(LoadTest, ExitsOnceWithAddressAndSizeAndTakesTheAnswer) {
  const LoadCase& param = GetParam();
  Guest guest("mmio");
  guest.Start(0, param.label);
  guest.Set(0, kvm::CoreX(0), ~uint64_t{0});
  guest.Set(0, kvm::CoreX(1),
            kDevice.value - (std::string(param.label) == "ldr_register_offset" ? 16 : 0));
  guest.Set(0, kvm::CoreX(2), 16);
  int exits = 0;
  guest.OnMmio(kDevice, [&](unsigned, MmioExit& exit) {
    ++exits;
    EXPECT_FALSE(exit.is_write);
    EXPECT_EQ(exit.data.size(), param.size);
    SetMmioValue(exit, param.data);
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(exits, 1);
  EXPECT_EQ(guest.reports().front(), param.expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, LoadTest,
    ::testing::Values(LoadCase{"ldrb_w", 1, 0x80, 0x80}, LoadCase{"ldrh_w", 2, 0x8001, 0x8001},
                      LoadCase{"ldr_w", 4, 0x80000001, 0x80000001},
                      LoadCase{"ldr_x", 8, 0x8123456789abcdef, 0x8123456789abcdef},
                      LoadCase{"ldrsb_w", 1, 0x80, 0xffffff80}, LoadCase{"ldrsb_w", 1, 0x7f, 0x7f},
                      LoadCase{"ldrsb_x", 1, 0x80, 0xffffffffffffff80},
                      LoadCase{"ldrsh_w", 2, 0x8000, 0xffff8000},
                      LoadCase{"ldrsh_x", 2, 0x8000, 0xffffffffffff8000},
                      LoadCase{"ldrsw_x", 4, 0x80000000, 0xffffffff80000000},
                      LoadCase{"ldar_w", 4, 0x12345678, 0x12345678},
                      LoadCase{"ldr_register_offset", 4, 0x1234, 0x1234},
                      LoadCase{"ldr_xzr", 8, 0x1234, ~uint64_t{0}}),
    [](const auto& info) { return std::string(info.param.label) + std::to_string(info.index); });

struct StoreCase {
  const char* label;
  unsigned size;
  uint64_t expected;  // of X0 = 0x8123456789abcdef
};

class StoreTest : public ::testing::TestWithParam<StoreCase> {};

TEST_P(StoreTest, ExitsOnceWithTheData) {
  const StoreCase& param = GetParam();
  Guest guest("mmio");
  guest.Start(0, param.label);
  guest.Set(0, kvm::CoreX(0), 0x8123456789abcdef);
  guest.Set(0, kvm::CoreX(1), kDevice.value);
  std::vector<uint64_t> stored;
  guest.OnMmio(kDevice, [&](unsigned, MmioExit& exit) {
    EXPECT_TRUE(exit.is_write);
    EXPECT_EQ(exit.data.size(), param.size);
    stored.push_back(MmioValue(exit));
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(stored, ElementsAre(param.expected));
}

INSTANTIATE_TEST_SUITE_P(All, StoreTest,
                         ::testing::Values(StoreCase{"strb_w", 1, 0xef},
                                           StoreCase{"strh_w", 2, 0xcdef},
                                           StoreCase{"str_w", 4, 0x89abcdef},
                                           StoreCase{"stlr_w", 4, 0x89abcdef},
                                           StoreCase{"str_x", 8, 0x8123456789abcdef},
                                           StoreCase{"str_xzr", 8, 0}, StoreCase{"str_wzr", 4, 0}),
                         [](const auto& info) { return info.param.label; });

// Write-back, pairs, vectors, exclusives and atomics: no syndrome describes them.
class UndescribedAccessTest : public ::testing::TestWithParam<const char*> {};

TEST_P(UndescribedAccessTest, IsAFailureThatNamesPcAndAddress) {
  Guest guest("mmio");
  guest.Start(0, GetParam());
  guest.Set(0, kvm::CoreX(1), kDevice.value);
  const GuestOutcome outcome = guest.Run();
  ASSERT_TRUE(outcome.exit.ok());
  const auto* failure = std::get_if<FailureExit>(&*outcome.exit);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->reason, kvm::kExitArmNisv);
  const bool pre_index = std::string(GetParam()) == "ldr_pre_index";
  EXPECT_THAT(failure->detail,
              HasSubstr(absl::StrCat("0x", absl::Hex(kDevice.value + (pre_index ? 4 : 0)))));
  EXPECT_THAT(failure->detail,
              HasSubstr(absl::StrCat("pc 0x", absl::Hex(guest.Symbol(GetParam())))));
  EXPECT_EQ(guest.Get(0, kvm::kCorePc), guest.Symbol(GetParam()));
  EXPECT_EQ(guest.Get(0, kvm::CoreX(1)), kDevice.value);  // nothing was written back
}

INSTANTIATE_TEST_SUITE_P(All, UndescribedAccessTest,
                         ::testing::Values("ldr_post_index", "ldr_pre_index", "str_post_index",
                                           "ldp", "stp", "ldr_vector", "ldxr", "ldadd"),
                         [](const auto& info) { return info.param; });

TEST(MmioTest, AccessIsNotCompleteBeforeTheNextRun) {
  Guest guest("mmio");
  guest.Start(0, "ldr_w");
  guest.Set(0, kvm::CoreX(1), kDevice.value);
  GuestOutcome outcome = guest.Run();
  ASSERT_TRUE(outcome.exit.ok());
  auto* mmio = std::get_if<MmioExit>(&*outcome.exit);
  ASSERT_NE(mmio, nullptr);
  EXPECT_EQ(guest.Get(0, kvm::kCorePc), guest.Symbol("ldr_w"));
  SetMmioValue(*mmio, 0x55);
  ASSERT_TRUE(guest.vcpu(0).CompleteExit().ok());
  EXPECT_EQ(guest.Get(0, kvm::kCorePc), guest.Symbol("ldr_w") + 4);
  EXPECT_EQ(guest.Get(0, kvm::CoreX(0)), 0x55u);
  ASSERT_TRUE(guest.vcpu(0).CompleteExit().ok());  // nothing left to complete
  EXPECT_EQ(guest.Get(0, kvm::kCorePc), guest.Symbol("ldr_w") + 4);
  ASSERT_TRUE(guest.Run().powered_off());
}

TEST(MmioTest, EveryLoadOfALoopExits) {
  Guest guest("mmio");
  guest.Start(0, "repeat_load");
  guest.Set(0, kvm::CoreX(1), kDevice.value);
  guest.Set(0, kvm::CoreX(2), 1000);
  int exits = 0;
  guest.OnMmio(kDevice, [&](unsigned, MmioExit&) { ++exits; });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(exits, 1000);
}

// The counts agree with the program: 3 instructions a round, 2 to power off.
TEST(MmioTest, InstructionsAreCountedExactly) {
  Guest guest("mmio");
  guest.Start(0, "repeat_load");
  guest.Set(0, kvm::CoreX(1), kDevice.value);
  guest.Set(0, kvm::CoreX(2), 100);
  guest.OnMmio(kDevice, [](unsigned, MmioExit&) {});
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.vcpu(0).stats().instructions, 302u);
}

TEST(MmioTest, InstructionFetchOutsideMemoryAborts) {
  Guest guest("mmio");
  guest.Start(0, "jump");
  guest.Set(0, kvm::CoreX(1), kDevice.value);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(0x200, 0x21u << 26 | 1u << 25 | 0x10, kDevice.value,
                                           kDevice.value, ::testing::_));
}

}  // namespace
}  // namespace firn::software
