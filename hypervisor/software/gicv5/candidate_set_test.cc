// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/candidate_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace firn::software::gicv5 {
namespace {

class IdBitmapTest : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, IdBitmapTest,
                         testing::Values(1, 32, 63, 64, 65, 1024, 4095, 4096, 4097, 65536));

TEST_P(IdBitmapTest, FirstAndLastId) {
  const uint32_t last = GetParam() - 1;
  IdBitmap bitmap(GetParam());
  EXPECT_TRUE(bitmap.empty());
  bitmap.Insert(last);
  EXPECT_EQ(bitmap.First(), last);
  bitmap.Insert(0);
  EXPECT_EQ(bitmap.First(), 0u);
  bitmap.Remove(0);
  EXPECT_EQ(bitmap.empty(), last == 0);
  bitmap.Remove(last);
  EXPECT_TRUE(bitmap.empty());
}

TEST_P(IdBitmapTest, AgreesWithAnOrderedSet) {
  std::mt19937 random(GetParam());
  IdBitmap bitmap(GetParam());
  std::set<uint32_t> reference;
  for (int i = 0; i < 5000; ++i) {
    const uint32_t id = random() % GetParam();
    if (random() % 3 == 0) {
      bitmap.Insert(id);
      reference.insert(id);
    } else {
      bitmap.Remove(id);
      reference.erase(id);
    }
    ASSERT_EQ(bitmap.empty(), reference.empty());
    if (!reference.empty()) {
      ASSERT_EQ(bitmap.First(), *reference.begin());
    }
  }
}

TEST(CandidateSetTest, FirstIsLeastPriorityThenLeastId) {
  CandidateSet set(4096);
  set.Insert(31, 0);
  set.Insert(5, 4095);
  set.Insert(5, 70);
  EXPECT_EQ(set.First().priority, 5);
  EXPECT_EQ(set.First().id, 70u);
  set.Remove(5, 70);
  EXPECT_EQ(set.First().id, 4095u);
  set.Remove(5, 4095);
  EXPECT_EQ(set.First().priority, 31);
  set.Remove(31, 0);
  EXPECT_TRUE(set.empty());
}

TEST(CandidateSetTest, RemovingWhatIsNotThereDoesNothing) {
  CandidateSet set(64);
  set.Remove(3, 5);
  EXPECT_TRUE(set.empty());
  set.Insert(3, 6);
  set.Remove(3, 5);
  EXPECT_EQ(set.First().id, 6u);
}

}  // namespace
}  // namespace firn::software::gicv5
