// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gtest/gtest.h>

#include "hypervisor/software/engine.h"

namespace firn::software {
namespace {

TEST(CalibrationTest, InstalledUnicornFits) {
  const absl::StatusOr<EngineLayout> layout = Engine::Calibrate();
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_GT(layout->exception_offset, 0u);
  EXPECT_GT(layout->monitor_offset, 0u);
  EXPECT_GT(layout->hooked_regions_offset, 0u);
}

TEST(CalibrationTest, RepeatsItself) {
  const absl::StatusOr<EngineLayout> one = Engine::Calibrate(), other = Engine::Calibrate();
  EXPECT_EQ(one->exception_offset, other->exception_offset);
  EXPECT_EQ(one->monitor_offset, other->monitor_offset);
  EXPECT_EQ(one->hooked_regions_offset, other->hooked_regions_offset);
}

TEST(CalibrationTest, VersionHasThreeNumbers) {
  const std::string version = Engine::Version();
  EXPECT_EQ(std::count(version.begin(), version.end(), '.'), 2) << version;
}

}  // namespace
}  // namespace firn::software
