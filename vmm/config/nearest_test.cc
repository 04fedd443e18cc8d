// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace firn {
namespace {

constexpr std::string_view kWords[] = {"kernel", "initrd", "memory", "cpus"};

TEST(NearestTest, FindsOneEdit) {
  EXPECT_EQ(Nearest("kernl", kWords), "kernel");
  EXPECT_EQ(Nearest("kernell", kWords), "kernel");
  EXPECT_EQ(Nearest("kermel", kWords), "kernel");
}

TEST(NearestTest, SwappedNeighboursAreOneEdit) { EXPECT_EQ(Nearest("cpsu", kWords), "cpus"); }

TEST(NearestTest, FarWordsHaveNone) {
  EXPECT_EQ(Nearest("snapshot", kWords), "");
  EXPECT_EQ(Nearest("", kWords), "");
  EXPECT_EQ(Nearest(std::string(1000, 'k'), kWords), "");
}

TEST(NearestTest, DidYouMeanIsEmptyWithoutACandidate) {
  EXPECT_EQ(DidYouMean("memroy", kWords), "; did you mean `memory`?");
  EXPECT_EQ(DidYouMean("xyzzy", kWords), "");
  EXPECT_EQ(DidYouMean("x", {}), "");
}

}  // namespace
}  // namespace firn
