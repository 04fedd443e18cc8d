// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Atomic minimum and maximum: signed where they should be, in each size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;

struct Case {
  const char* label;
  uint64_t memory, operand;
  uint64_t loaded, stored;
};

constexpr uint64_t kOther = 0x1122'3344'0000'0000;  // next to a word
constexpr uint64_t kMinusOne = ~uint64_t{0};

constexpr Case kCases[] = {
    {"ldsminb", kOther | 0x80, 5, 0x80, kOther | 0x80},
    {"ldsminb", kOther | 5, 0x180, 5, kOther | 0x80},
    {"ldsminb", kOther | 5, 4, 5, kOther | 4},
    {"ldsmaxb", kOther | 0x80, 5, 0x80, kOther | 5},
    {"ldsmaxb", kOther | 5, 0x80, 5, kOther | 5},
    {"ldsminh", kOther | 0x8000, 5, 0x8000, kOther | 0x8000},
    {"ldsminh", kOther | 5, 0xffff, 5, kOther | 0xffff},
    {"ldsmaxh", kOther | 0x8000, 5, 0x8000, kOther | 5},
    {"ldsmaxh", kOther | 5, 0xffff, 5, kOther | 5},
    {"ldsmin_w", kOther | 0xffff'ffff, 0, 0xffff'ffff, kOther | 0xffff'ffff},
    {"ldsmin_w", kOther | 7, 0x8000'0000, 7, kOther | 0x8000'0000},
    {"ldsminal_w", kOther | 0xffff'ffff, 0, 0xffff'ffff, kOther | 0xffff'ffff},
    {"stsmin_w", kOther | 7, 0xffff'ffff, kMinusOne, kOther | 0xffff'ffff},
    {"ldsmax_w", kOther | 0xffff'ffff, 0, 0xffff'ffff, kOther},
    {"ldsmax_w", kOther | 7, 0x8000'0000, 7, kOther | 7},
    {"ldsmin_x", kMinusOne, 0, kMinusOne, kMinusOne},
    {"ldsmin_x", 7, kMinusOne, 7, kMinusOne},
    {"ldsmax_x", kMinusOne, 0, kMinusOne, 0},
    {"ldsmax_x", 7, 0xffff'ffff, 7, 0xffff'ffff},
    {"lduminb", kOther | 0x80, 5, 0x80, kOther | 5},
    {"ldumax_w", kOther | 7, 0xffff'ffff, 7, kOther | 0xffff'ffff},
};

TEST(AtomicsTest, MinimumAndMaximum) {
  constexpr GuestAddress kWord{0x40200000};
  for (const Case& test : kCases) {
    SCOPED_TRACE(::testing::Message()
                 << test.label << std::hex << " 0x" << test.memory << ", 0x" << test.operand);
    Guest guest("atomics");
    guest.Start(0, test.label);
    guest.Set(0, kvm::CoreX(0), kWord.value);
    guest.Set(0, kvm::CoreX(1), test.operand);
    ASSERT_TRUE(guest.memory().Store<uint64_t>(kWord, test.memory).ok());
    EXPECT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(guest.reports(), ElementsAre(test.loaded, test.stored));
  }
}

}  // namespace
}  // namespace firn::software
