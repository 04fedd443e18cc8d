// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/pvpanic/pvpanic.h"

#include <gtest/gtest.h>

#include <array>

namespace firn {
namespace {

class PvpanicTest : public ::testing::Test {
 protected:
  void Write(uint64_t offset, std::byte value) {
    device_.Write(offset, absl::MakeConstSpan(&value, 1));
  }
  int panics_ = 0;
  Pvpanic device_{[this] { ++panics_; }};
};

TEST_F(PvpanicTest, SaysWhichEventsItKnows) {
  std::array<std::byte, 2> data;
  device_.Read(0, absl::MakeSpan(data));
  EXPECT_EQ(data[0], std::byte{3});
  EXPECT_EQ(data[1], std::byte{0});
  device_.Read(1, absl::MakeSpan(data).first(1));
  EXPECT_EQ(data[0], std::byte{0});
  EXPECT_EQ(device_.stats().requests, 2u);
  EXPECT_EQ(device_.stats().errors, 1u);
}

TEST_F(PvpanicTest, ReportsAPanic) {
  Write(0, std::byte{kPvpanicPanicked});
  EXPECT_EQ(panics_, 1);
  EXPECT_EQ(device_.stats().requests, 1u);
  EXPECT_EQ(device_.stats().errors, 0u);
}

TEST_F(PvpanicTest, OtherEventsAndOffsetsAreNoPanic) {
  Write(0, std::byte{kPvpanicCrashLoaded});
  Write(0, std::byte{0xfc});
  Write(1, std::byte{kPvpanicPanicked});
  EXPECT_EQ(panics_, 0);
  EXPECT_EQ(device_.stats().requests, 3u);
  EXPECT_EQ(device_.stats().errors, 2u);
}

}  // namespace
}  // namespace firn
