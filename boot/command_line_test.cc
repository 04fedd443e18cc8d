// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/command_line.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

CommandLine Line(std::string_view text) {
  const auto line = CommandLine::Create(text);
  EXPECT_TRUE(line.ok()) << line.status();
  return *line;
}

TEST(CommandLineTest, LengthIsLimitedWithTheNul) {
  EXPECT_TRUE(CommandLine::Create("").ok());
  EXPECT_TRUE(CommandLine::Create(std::string(2047, 'a')).ok());
  for (const size_t size : {2048, 2049, 100000}) {
    const auto line = CommandLine::Create(std::string(size, 'a'));
    EXPECT_TRUE(absl::IsInvalidArgument(line.status()));
    EXPECT_THAT(line.status().message(), HasSubstr("takes 2047"));
  }
}

TEST(CommandLineTest, OnlyPrintableAscii) {
  const std::pair<std::string, const char*> cases[] = {
      {std::string("a\0b", 3), "byte 0x00 at position 1"},
      {"quiet\n", "byte 0x0a at position 5"},
      {"a\tb", "byte 0x09 at position 1"},
      {"\x7f", "byte 0x7f at position 0"},
      {"caf\xc3\xa9", "byte 0xc3 at position 3"},
  };
  for (const auto& [text, cause] : cases) {
    const auto line = CommandLine::Create(text);
    EXPECT_TRUE(absl::IsInvalidArgument(line.status())) << text;
    EXPECT_THAT(line.status().message(), HasSubstr(cause));
  }
}

TEST(CommandLineTest, FindsParameters) {
  EXPECT_TRUE(Line("console=ttyS0").Has("console"));
  EXPECT_TRUE(Line("quiet  console=ttyS0 x").Has("console"));
  EXPECT_TRUE(Line("quiet").Has("quiet"));
  EXPECT_TRUE(Line("\"console=tty S0\"").Has("console"));
  EXPECT_TRUE(Line("no_console_suspend").Has("no-console-suspend"));
  EXPECT_FALSE(Line("").Has("console"));
  EXPECT_FALSE(Line("consoleblank=0 xconsole=1").Has("console"));
  EXPECT_FALSE(Line("x=\"a console=ttyS0 b\"").Has("console"));
  EXPECT_FALSE(Line("quiet -- console=ttyS0").Has("console"));
  EXPECT_TRUE(Line("x=\"a -- b\" console=ttyS0").Has("console"));
}

TEST(CommandLineTest, AddsToTheKernelsPart) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "console=ttyS0"},
      {"quiet", "quiet console=ttyS0"},
      {"quiet ", "quiet console=ttyS0"},
      {"quiet -- single", "quiet console=ttyS0 -- single"},
      {"-- single", "console=ttyS0 -- single"},
      {"x=\"a -- b\"", "x=\"a -- b\" console=ttyS0"},
  };
  for (const auto& [before, after] : cases) {
    CommandLine line = Line(before);
    EXPECT_TRUE(line.Add("console", "ttyS0").ok());
    EXPECT_EQ(line.text(), after);
    EXPECT_TRUE(line.Has("console"));
  }
}

TEST(CommandLineTest, FailedAddChangesNothing) {
  CommandLine line = Line(std::string(2040, 'a'));
  EXPECT_FALSE(line.Add("console", "ttyS0").ok());
  EXPECT_EQ(line.text(), std::string(2040, 'a'));
  EXPECT_FALSE(line.Add("x", "\n").ok());
  EXPECT_TRUE(line.Add("a", "bcde").ok());
  EXPECT_EQ(line.text().size(), 2047);
}

}  // namespace
}  // namespace firn
