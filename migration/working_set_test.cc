// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/working_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const WorkingSet kSet = {.id = {1, 2, 3}, .runs = {{100, 2}, {3, 1}, {0, 3}}};

TEST(WorkingSetTest, ComesBackInItsOrder) {
  const absl::StatusOr<WorkingSet> back = DecodeWorkingSet(EncodeWorkingSet(kSet));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->id, kSet.id);
  EXPECT_THAT(back->runs, ElementsAre(PageRun{100, 2}, PageRun{3, 1}, PageRun{0, 3}));
  EXPECT_TRUE(CheckWorkingSet(*back, kSet.id, 102).ok());
  EXPECT_TRUE(DecodeWorkingSet(EncodeWorkingSet({})).ok());
}

TEST(WorkingSetTest, EveryFlippedBitAndEveryCutIsFound) {
  const std::string bytes = EncodeWorkingSet(kSet);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeWorkingSet(damaged).ok()) << bit;
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeWorkingSet(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeWorkingSet(bytes + "x").ok());
}

TEST(WorkingSetTest, WhatIsNotOfThisGuest) {
  const auto message = [](const WorkingSet& set, uint64_t pages) {
    return std::string(CheckWorkingSet(set, kSet.id, pages).message());
  };
  EXPECT_THAT(message({.id = {9}, .runs = {}}, 102), HasSubstr("of another snapshot"));
  for (const std::vector<PageRun>& runs : {std::vector<PageRun>{{102, 1}},
                                           {{101, 2}},
                                           {{0, 0}},
                                           {{1, ~uint64_t{0}}},
                                           {{~uint64_t{0}, 2}}}) {
    EXPECT_THAT(message({kSet.id, runs}, 102), HasSubstr("does not have"));
  }
  EXPECT_THAT(message({kSet.id, {{5, 10}, {14, 1}}}, 102), HasSubstr("a page twice"));
}

}  // namespace
}  // namespace firn
