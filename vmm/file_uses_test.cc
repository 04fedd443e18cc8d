// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/file_uses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace firn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FileUsesTest : public ::testing::Test {
 protected:
  FileUsesTest() : folder_(std::filesystem::path(::testing::TempDir()) / "file_uses") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "sub");
    std::ofstream(Path("disk")) << "data";
    std::filesystem::create_symlink("disk", Path("link"));
    std::filesystem::create_hard_link(Path("disk"), Path("hard"));
  }
  ~FileUsesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(std::string_view name) const { return (folder_ / name).string(); }
  std::string Error(const std::vector<FileUse>& inputs, const std::vector<FileUse>& outputs) {
    return std::string(CheckFilesAreApart(inputs, outputs).message());
  }

  const std::filesystem::path folder_;
};

TEST_F(FileUsesTest, NoOutputIsAnInputByAnyName) {
  for (const char* name : {"disk", "link", "hard", "sub/../disk"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(Error({{"a disk", Path("disk")}}, {{"--stats", Path(name)}}),
                AllOf(HasSubstr("--stats " + Path(name)), HasSubstr("overwrite a disk"),
                      HasSubstr("name another file")));
  }
  EXPECT_EQ(Error({{"a disk", Path("disk")}}, {{"--stats", Path("new")}}), "");
  EXPECT_EQ(Error({{"a disk", Path("absent")}}, {{"--stats", Path("new")}}), "");
}

TEST_F(FileUsesTest, NoTwoOutputsAreOne) {
  for (const char* name : {"new", "sub/../new"}) {
    EXPECT_THAT(Error({}, {{"--console", Path("new")}, {"--stats", Path(name)}}),
                HasSubstr("--stats and --console are the same file"));
  }
  EXPECT_EQ(Error({}, {{"--console", Path("new")}, {"--stats", Path("other")}}), "");
}

TEST_F(FileUsesTest, DevicesMayBe) {
  EXPECT_EQ(Error({}, {{"--console", "/dev/null"}, {"--stats", "/dev/null"}}), "");
}

TEST_F(FileUsesTest, OfAConfiguration) {
  VmConfig config;
  config.boot_source.kernel_image_path = "k";
  config.boot_source.initrd_path = "i";
  config.drives = {{.drive_id = "a", .path_on_host = "d"}};
  std::vector<std::string> paths;
  for (const FileUse& use : InputsOf(config)) paths.push_back(use.path);
  EXPECT_THAT(paths, ::testing::ElementsAre("k", "i", "d"));
  EXPECT_TRUE(OutputsOf(config).empty());
  ASSERT_TRUE(SetConsoleOutput("log", config.console).ok());
  ASSERT_EQ(OutputsOf(config).size(), 1u);
  EXPECT_EQ(OutputsOf(config)[0].path, "log");
}

}  // namespace
}  // namespace firn
