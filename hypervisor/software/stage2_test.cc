// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/stage2.h"

#include <gtest/gtest.h>

#include <cstring>

namespace firn::software {
namespace {

constexpr uint64_t kPage = 4096, kMiB = 1 << 20, kGiB = 1 << 30;

// What the tables say of `ipa`, by a walk of their own.
struct Leaf {
  bool valid = false;
  bool writable = false;
  unsigned level = 0;
  uint64_t output = 0;
};
Leaf Walk(const Stage2& stage2, uint64_t ipa) {
  uint64_t table = stage2.vttbr();
  for (unsigned level = 1; level <= 3; ++level) {
    const unsigned shift = 39 - 9 * level;
    // Two root tables side by side: 10 bits at level 1.
    const uint64_t index = ipa >> shift & (level == 1 ? 1023 : 511);
    uint64_t entry = 0;
    memcpy(&entry, stage2.memory() + (table - Stage2::kPhysicalBase) + index * 8, 8);
    if ((entry & 1) == 0) return {};
    const bool is_leaf = level == 3 || (entry & 2) == 0;
    if (is_leaf) {
      EXPECT_NE(entry & 1 << 10, 0u) << "access flag";
      EXPECT_NE(entry & 1 << 6, 0u) << "readable";
      return {true, (entry & 1 << 7) != 0, level,
              (entry & 0xffff'ffff'f000) | (ipa & ((uint64_t{1} << shift) - 1))};
    }
    table = entry & 0xffff'ffff'f000;
  }
  return {};
}

class Stage2Test : public ::testing::Test {
 protected:
  std::unique_ptr<Stage2> stage2_ = *Stage2::Create();
};

TEST_F(Stage2Test, StartsEmpty) {
  EXPECT_FALSE(Walk(*stage2_, 0).valid);
  EXPECT_FALSE(Walk(*stage2_, kGiB).valid);
}

TEST_F(Stage2Test, TablesAreBehindEveryGuestAddress) {
  EXPECT_EQ(stage2_->vttbr(), uint64_t{1} << kIpaBits);
  EXPECT_EQ(64 - (stage2_->vtcr() & 63), static_cast<uint64_t>(kIpaBits));
}

// Pages also where a block of 2 MiB or 1 GiB would fit.
TEST_F(Stage2Test, MapsPages) {
  const uint64_t base = kGiB - 2 * kMiB - kPage;
  const uint64_t size = kPage + 2 * kMiB + kGiB + 2 * kMiB + kPage;
  stage2_->Map(base, size, true);
  EXPECT_FALSE(Walk(*stage2_, base - 1).valid);
  EXPECT_FALSE(Walk(*stage2_, base + size).valid);
  EXPECT_FALSE(stage2_->IsMapped(base - 1));
  EXPECT_FALSE(stage2_->IsMapped(base + size));
  for (uint64_t at : {base, base + kPage + 5, kGiB + 12345, 2 * kGiB + kMiB, base + size - 1}) {
    EXPECT_TRUE(stage2_->IsMapped(at));
    const Leaf leaf = Walk(*stage2_, at);
    EXPECT_EQ(leaf.level, 3u);
    EXPECT_EQ(leaf.output, at);
    EXPECT_TRUE(leaf.writable);
  }
}

TEST_F(Stage2Test, MapsReadOnly) {
  stage2_->Map(kGiB, 4 * kMiB, false);
  for (uint64_t at = kGiB; at < kGiB + 4 * kMiB; at += kPage) {
    const Leaf leaf = Walk(*stage2_, at);
    ASSERT_TRUE(leaf.valid);
    ASSERT_FALSE(leaf.writable);
  }
}

TEST_F(Stage2Test, WritePermissionOfWhatIsNotMapped) {
  stage2_->SetWritable(kGiB, true);
  stage2_->Map(kGiB + kPage, kPage, true);
  stage2_->SetWritable(kGiB, true);
  EXPECT_FALSE(Walk(*stage2_, kGiB).valid);
}

TEST_F(Stage2Test, WritePermissionIsPerPage) {
  stage2_->Map(kGiB, 2 * kMiB, false);
  stage2_->SetWritable(kGiB + 5 * kPage, true);
  EXPECT_FALSE(Walk(*stage2_, kGiB + 4 * kPage).writable);
  EXPECT_TRUE(Walk(*stage2_, kGiB + 5 * kPage).writable);
  EXPECT_FALSE(Walk(*stage2_, kGiB + 6 * kPage).writable);
  stage2_->SetWritable(kGiB + 5 * kPage, false);
  EXPECT_FALSE(Walk(*stage2_, kGiB + 5 * kPage).writable);
}

TEST_F(Stage2Test, ReachesTheEndOfTheAddressSpace) {
  constexpr uint64_t kEnd = uint64_t{1} << kIpaBits;
  stage2_->Map(kEnd - kPage, kPage, true);
  EXPECT_EQ(Walk(*stage2_, kEnd - 1).output, kEnd - 1);
  // The upper root table is not the lower one.
  EXPECT_FALSE(Walk(*stage2_, kEnd / 2 - 1).valid);
}

TEST_F(Stage2Test, ClearUnmapsEverything) {
  stage2_->Map(kGiB, 4 * kMiB, true);
  stage2_->Clear();
  EXPECT_FALSE(Walk(*stage2_, kGiB).valid);
  // And leaves no stale table behind for what is mapped next.
  stage2_->Map(kGiB, kPage, true);
  EXPECT_TRUE(Walk(*stage2_, kGiB).valid);
  EXPECT_FALSE(Walk(*stage2_, kGiB + kPage).valid);
}

}  // namespace
}  // namespace firn::software
