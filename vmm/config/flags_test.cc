// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr FlagSpec kSpecs[] = {
    {"kernel", "PATH", "the kernel"},
    {"disk", "PATH[,ro]", "a disk\nas a file", /*repeatable=*/true},
    {"quiet", "", "say less"},
};

absl::StatusOr<Flags> Parse(const std::vector<std::string_view>& arguments) {
  return Flags::Parse(kSpecs, arguments);
}

std::string ErrorOf(const std::vector<std::string_view>& arguments) {
  return std::string(Parse(arguments).status().message());
}

TEST(FlagsTest, TakesBothForms) {
  const auto flags = Parse({"--kernel", "a", "--disk=b", "--disk", "c,ro", "--quiet"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->Get("kernel"), Optional(Eq("a")));
  EXPECT_THAT(flags->GetAll("disk"), ElementsAre("b", "c,ro"));
  EXPECT_TRUE(flags->Has("quiet"));
  EXPECT_FALSE(flags->Has("initrd"));
  EXPECT_EQ(flags->Get("initrd"), std::nullopt);
}

TEST(FlagsTest, OperandsMayStandAnywhere) {
  auto parse = [](const std::vector<std::string_view>& arguments) {
    return Flags::Parse(kSpecs, arguments, {"SOCK", "DIR"});
  };
  for (const auto& flags : {parse({"a", "--quiet", "--kernel", "k", "b"}),
                            parse({"--quiet", "a", "b", "--kernel=k"})}) {
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_EQ(flags->operand(0), "a");
    EXPECT_EQ(flags->operand(1), "b");
    EXPECT_TRUE(flags->Has("quiet"));
  }
  EXPECT_EQ(parse({"--quiet", "a"}).status().message(), "DIR is missing");
  EXPECT_EQ(parse({}).status().message(), "SOCK is missing");
  EXPECT_EQ(parse({"a", "b", "c"}).status().message(),
            "unexpected argument `c`: everything but SOCK and DIR is a --flag");
}

TEST(FlagsTest, ValueMayBeEmptyOrHoldEqualSigns) {
  EXPECT_THAT(Parse({"--kernel="})->Get("kernel"), Optional(Eq("")));
  EXPECT_THAT(Parse({"--kernel", "a=b"})->Get("kernel"), Optional(Eq("a=b")));
  EXPECT_THAT(Parse({"--kernel=a=b"})->Get("kernel"), Optional(Eq("a=b")));
  EXPECT_THAT(Parse({"--kernel", "-"})->Get("kernel"), Optional(Eq("-")));
  EXPECT_THAT(Parse({"--kernel=--x"})->Get("kernel"), Optional(Eq("--x")));
}

TEST(FlagsTest, NothingIsFine) { EXPECT_TRUE(Parse({}).ok()); }

TEST(FlagsTest, UnknownFlagIsNamedWithTheNearest) {
  EXPECT_EQ(ErrorOf({"--kernl=x"}), "unknown flag --kernl; did you mean --kernel?");
  EXPECT_EQ(ErrorOf({"--xyzzy"}), "unknown flag --xyzzy");
  EXPECT_EQ(ErrorOf({"--=x"}), "unknown flag --");
}

TEST(FlagsTest, DuplicateIsNamed) {
  EXPECT_EQ(ErrorOf({"--kernel=a", "--kernel", "b"}), "--kernel is given twice");
  EXPECT_EQ(ErrorOf({"--kernel=", "--kernel="}), "--kernel is given twice");
  EXPECT_EQ(ErrorOf({"--quiet", "--quiet"}), "--quiet is given twice");
}

TEST(FlagsTest, MissingOrUnwantedValueIsNamed) {
  EXPECT_EQ(ErrorOf({"--kernel"}), "--kernel needs a value: --kernel=PATH");
  EXPECT_EQ(ErrorOf({"--kernel", "--quiet"}), "--kernel needs a value: --kernel=PATH");
  EXPECT_EQ(ErrorOf({"--quiet=yes"}), "--quiet takes no value");
}

TEST(FlagsTest, OtherArgumentsAreRefused) {
  EXPECT_THAT(ErrorOf({"Image"}), HasSubstr("unexpected argument `Image`"));
  EXPECT_THAT(ErrorOf({"-k", "x"}), HasSubstr("unexpected argument `-k`"));
  EXPECT_THAT(ErrorOf({"--"}), HasSubstr("unexpected argument `--`"));
  EXPECT_THAT(ErrorOf({""}), HasSubstr("unexpected argument ``"));
}

TEST(FlagsTest, HelpIsAligned) {
  EXPECT_EQ(FlagsHelp(kSpecs),
            "  --kernel PATH     the kernel\n"
            "  --disk PATH[,ro]  a disk\n"
            "                    as a file\n"
            "  --quiet           say less\n");
}

}  // namespace
}  // namespace firn
