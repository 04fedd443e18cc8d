// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/snapshot_paths.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace firn {
namespace {

TEST(SnapshotPathsTest, RelativeTo) {
  EXPECT_EQ(RelativeTo("a", "a/memory"), "memory");
  EXPECT_EQ(RelativeTo(".", "a/../memory"), "memory");
  EXPECT_EQ(RelativeTo("layer", "base/state"), "../base/state");
  EXPECT_EQ(RelativeTo("/x/layer", "/x/base/state"), "../base/state");
  EXPECT_EQ(RelativeTo("/x", "/y/state"), "../y/state");
}

// As firn restore and the control API may name two snapshots of one chain.
TEST(SnapshotPathsTest, RelativeToOfPathsOfDifferentForm) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(RelativeTo(here + "/layer", "base/state"), "../base/state");
  EXPECT_EQ(RelativeTo("layer", here + "/base/state"), "../base/state");
  const std::string name = std::filesystem::path(here).filename().string();
  EXPECT_EQ(RelativeTo("../layer", "base/state"), "../" + name + "/base/state");
}

TEST(SnapshotPathsTest, RelativeToOfALink) {
  const std::filesystem::path here = std::filesystem::path(testing::TempDir()) / "paths";
  std::filesystem::create_directories(here / "disk/today");
  std::filesystem::create_directories(here / "base");
  std::filesystem::create_directory_symlink(here / "disk/today", here / "today");
  const std::string today = (here / "today").string();
  EXPECT_EQ(RelativeTo(today, (here / "base/state").string()), "../../base/state");
  EXPECT_EQ(RelativeTo((here / "base").string(), today + "/state"), "../disk/today/state");
  // The file itself may be a link: a copy of the folder has one of its own.
  std::filesystem::create_symlink(here / "base/memory", here / "today/memory");
  EXPECT_EQ(RelativeTo(today, today + "/memory"), "memory");
  std::filesystem::remove_all(here);
}

TEST(SnapshotPathsTest, Below) {
  EXPECT_EQ(Below("a", "memory"), "a/memory");
  EXPECT_EQ(Below("a", "/memory"), "/memory");
}

TEST(SnapshotPathsTest, NamesDuringASave) {
  SnapshotId id = {};
  id[15] = 0xab;
  const std::string name = NameOf(WithId("a/memory", id));
  EXPECT_EQ(name, "memory.000000000000000000000000000000ab");
  EXPECT_TRUE(HasIdOf(name, "memory"));
  EXPECT_FALSE(HasIdOf(name, "state"));
  EXPECT_FALSE(HasIdOf(name + "0", "memory"));
  EXPECT_FALSE(HasIdOf("memory.000000000000000000000000000000AB", "memory"));
  EXPECT_EQ(FolderOf("memory"), ".");
}

}  // namespace
}  // namespace firn
