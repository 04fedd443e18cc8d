// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gtest/gtest.h>

#include "hypervisor/software/engine.h"
#include "hypervisor/software/page_size.h"

namespace firn::software {
namespace {

TEST(CalibrationTest, InstalledUnicornFits) {
  const absl::StatusOr<EngineLayout> layout = Engine::Calibrate();
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_GT(layout->exception_offset, 0u);
  EXPECT_GT(layout->monitor_offset, 0u);
  EXPECT_GT(layout->hooked_regions_offset, 0u);
}

TEST(CalibrationTest, PagesAreThoseOfGuests) {
  const absl::StatusOr<EngineLayout> layout = Engine::Calibrate();
  ASSERT_TRUE(layout.ok()) << layout.status();
  uc_engine* uc = nullptr;
  ASSERT_EQ(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc), UC_ERR_OK);
  ASSERT_EQ(SetPageSize(uc, layout->page_size_argument), UC_ERR_OK);
  uint32_t size = 0;
  EXPECT_EQ(uc_ctl_get_page_size(uc, &size), UC_ERR_OK);
  EXPECT_EQ(size, 4096u);
  int arch = 0;
  EXPECT_EQ(uc_ctl_get_arch(uc, &arch), UC_ERR_OK);
  EXPECT_EQ(arch, UC_ARCH_ARM64);
  EXPECT_NE(SetPageSize(uc, layout->page_size_argument), UC_ERR_OK) << "it is initialised";
  uc_close(uc);
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
