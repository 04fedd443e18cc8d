// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/dirty_bitmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace firn::kvm {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kMiB = 1 << 20;

TEST(DirtyBitmapTest, WordsRoundUp) {
  EXPECT_EQ(BitmapWords(kMiB, 4096), 4u);
  EXPECT_EQ(BitmapWords(kMiB + 4096, 4096), 5u);
  EXPECT_EQ(BitmapWords(kMiB, 65536), 1u);
  EXPECT_EQ(BitmapWords(1, 4096), 1u);
}

TEST(DirtyBitmapTest, PagesOfTheSameSizeStay) {
  EXPECT_THAT(ToGuestPages({0x8000000000000001, 2}, 65 * 4096, 4096),
              ElementsAre(0x8000000000000001, 2));
}

TEST(DirtyBitmapTest, APageOf16KiBIsFour) {
  // 128 pages of 4 KiB are 32 of 16 KiB: the first, the 16th and the last are dirty.
  EXPECT_THAT(ToGuestPages({1 | 1u << 15 | 1u << 31}, 128 * 4096, 16384),
              ElementsAre(0xf00000000000000f, 0xf000000000000000));
}

TEST(DirtyBitmapTest, APageOf64KiBIsSixteen) {
  EXPECT_THAT(ToGuestPages({0b100}, kMiB, 65536), ElementsAre(0x0000ffff00000000, 0, 0, 0));
}

TEST(DirtyBitmapTest, NothingBehindTheEnd) {
  // 5 pages of 4 KiB: the second page of 16 KiB has but one of them.
  EXPECT_THAT(ToGuestPages({0b10}, 5 * 4096, 16384), ElementsAre(0b10000));
}

}  // namespace
}  // namespace firn::kvm
