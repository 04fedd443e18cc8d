// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "migration/testing/snapshot_fixture.h"

namespace firn {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::IdOf;

class ChainTest : public testing::SnapshotTest {
 protected:
  absl::Status Check(const std::string& name, const std::string& base, int id) {
    return CheckNewLayer(SystemFileCalls(), SnapshotPaths::InFolder(Path(name)),
                         Path(base) + "/state", IdOf(id));
  }
};

TEST_F(ChainTest, LayerOnWhatIsThere) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  EXPECT_TRUE(Check("b", "a", 1).ok());
  ASSERT_TRUE(Save(healthy_, Path("b"), 2, second_, Path("a"), 1).ok());
  EXPECT_TRUE(Check("c", "b", 2).ok());
}

TEST_F(ChainTest, LayerOverItsOwnChain) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  ASSERT_TRUE(Save(healthy_, Path("b"), 2, second_, Path("a"), 1).ok());
  EXPECT_THAT(Check("a", "b", 2).message(), HasSubstr("another name"));
  EXPECT_THAT(Check("b", "b", 2).message(), HasSubstr("another name"));
}

// As Firecracker's clients name one memory file for full and Diff snapshots.
TEST_F(ChainTest, LayerOverTheMemoryOfItsBase) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  const auto check = [&](const std::string& memory) {
    return CheckNewLayer(SystemFileCalls(), {Path("a/other"), Path(memory)}, Path("a/state"),
                         IdOf(1));
  };
  EXPECT_THAT(check("a/memory").message(), HasSubstr("another name"));
  EXPECT_TRUE(check("a/diff").ok());
  // A save that was killed has left it under its other name.
  std::filesystem::rename(Path("a/memory"), WithId(Path("a/memory"), IdOf(1)));
  EXPECT_THAT(check("a/memory").message(), HasSubstr("another name"));
  EXPECT_THAT(check("a/./memory").message(), HasSubstr("another name"));
}

TEST_F(ChainTest, BaseThatIsGoneOrReplaced) {
  EXPECT_THAT(Check("b", "a", 1).message(), HasSubstr("would lie on"));
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  EXPECT_THAT(Check("b", "a", 2).message(), HasSubstr("was replaced since"));
  std::filesystem::remove(Path("a/memory"));
  EXPECT_THAT(Check("b", "a", 1).message(), HasSubstr("No such file"));
}

TEST_F(ChainTest, ChainThatWouldBeTooLong) {
  ASSERT_TRUE(Save(healthy_, Path("1"), 1, first_).ok());
  for (int number = 2; number <= static_cast<int>(kMaximumChain); ++number) {
    const std::string base = absl::StrCat(number - 1), name = absl::StrCat(number);
    ASSERT_TRUE(Check(name, base, number - 1).ok()) << number;
    ASSERT_TRUE(Save(healthy_, Path(name), number, {}, Path(base), number - 1).ok());
  }
  ASSERT_TRUE(Read(Path("16")).ok());
  const absl::Status status = Check("17", "16", 16);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("lies on 15 others"));
}

TEST_F(ChainTest, LayersAreFoundBesideAndInTheFoldersBeside) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  const auto find = [&] { return FindLayerOn(SystemFileCalls(), Path("a/state"), IdOf(1)); };
  // What is no state file.
  std::ofstream(Path("a/text")) << "FIRNSNAP and no more";
  ASSERT_EQ(mkfifo(Path("a/fifo").c_str(), 0600), 0);
  std::filesystem::create_directories(Path("folder/state"));
  EXPECT_EQ(find(), std::nullopt);
  ASSERT_TRUE(Save(healthy_, Path("b"), 2, second_, Path("a"), 1).ok());
  EXPECT_THAT(find().value_or(""), EndsWith("/b/state"));
  std::filesystem::rename(Path("b/state"), Path("a/other-state"));
  EXPECT_THAT(find().value_or(""), EndsWith("/a/other-state"));
}

}  // namespace
}  // namespace firn
