// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/page_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PageSetTest, RunsOverWordsAndUpToTheEnd) {
  PageSet set(200);
  set.AddRun({60, 80});
  set.AddRun({199, 1});
  EXPECT_THAT(set.Runs(), ElementsAre(PageRun{60, 80}, PageRun{199, 1}));
  EXPECT_EQ(set.Count(), 81u);
  set.Remove(100);
  EXPECT_THAT(set.Runs(), ElementsAre(PageRun{60, 40}, PageRun{101, 39}, PageRun{199, 1}));
  EXPECT_EQ(set.NextRun(140), (PageRun{199, 1}));
  EXPECT_EQ(set.NextRun(200).count, 0u);
  EXPECT_EQ(set.NextRun(0, 70), (PageRun{60, 10}));
  EXPECT_EQ(set.NextRun(0, 60).count, 0u);
}

TEST(PageSetTest, BitmapsAreMergedWithinTheSet) {
  PageSet set(130);
  const uint64_t bitmap[] = {~uint64_t{0}, 0b110, ~uint64_t{0}};
  set.MergeBitmap(64, 66, bitmap);
  EXPECT_THAT(set.Runs(), ElementsAre(PageRun{64, 64}, PageRun{129, 1}));
}

TEST(RunsTest, RoundTripOfRandomSets) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    PageSet set(random() % 500 + 1);
    for (uint64_t page = 0; page < set.pages(); ++page) {
      if (random() % 3 != 0) set.Add(page);
    }
    const absl::StatusOr<PageSet> read = DecodeRuns(EncodeRuns(set), set.pages());
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, set);
  }
}

TEST(RunsTest, EmptySet) { EXPECT_THAT(EncodeRuns(PageSet(64)), IsEmpty()); }

TEST(RunsTest, WhatIsNoListOfPagesIsRefused) {
  constexpr uint64_t kHuge = ~uint64_t{0};
  const std::vector<std::vector<uint64_t>> bad = {{1},        {0, 101},      {100, 1},   {101, 0},
                                                  {0, 0},     {0, 1, 0, 1},  {kHuge, 1}, {0, kHuge},
                                                  {1, kHuge}, {0, 50, 1, 50}};
  for (const std::vector<uint64_t>& runs : bad) {
    EXPECT_EQ(DecodeRuns(runs, 100).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace firn
