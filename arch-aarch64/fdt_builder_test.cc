// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/fdt_builder.h"

#include <string>
#include <vector>

#include "arch-aarch64/fdt_reader.h"
#include "arch-aarch64/memory_layout.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr size_t kRoom = 1 * kMiB;

TEST(FdtBuilderTest, WritesEveryKindOfProperty) {
  FdtBuilder fdt(kRoom);
  {
    FdtBuilder::Node root = fdt.Begin("");
    FdtBuilder::Node node = fdt.Begin("node", 0x1234abcd);
    fdt.Empty("empty");
    fdt.U32("u32", 0x01020304);
    fdt.U64("u64", 0x0102030405060708);
    fdt.Cells("cells", {1, 2, 3});
    fdt.U16Array("u16", {1, 0x203, 4});
    fdt.String("string", "text");
    fdt.Strings("strings", {"one", "two"});
    fdt.Bytes("bytes", std::vector<std::byte>{std::byte{9}, std::byte{8}});
    fdt.Ranges("ranges", {*GuestRange::Create(GuestAddress(0x1'0000'0000), 0x2000)});
  }
  const auto blob = fdt.Finish();
  ASSERT_TRUE(blob.ok()) << blob.status();
  const FdtReader reader(*blob);
  EXPECT_TRUE(reader.IsValid());
  const std::string node = "/node@1234abcd";
  EXPECT_EQ(reader.Bytes(node, "empty"), "");
  EXPECT_EQ(reader.Bytes(node, "u32"), "\x01\x02\x03\x04");
  EXPECT_EQ(reader.Bytes(node, "u64"), "\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_THAT(reader.Cells(node, "cells"), Optional(ElementsAre(1, 2, 3)));
  EXPECT_EQ(reader.Bytes(node, "u16"), std::string("\0\x01\x02\x03\0\x04", 6));
  EXPECT_EQ(reader.Bytes(node, "string"), std::string("text\0", 5));
  EXPECT_EQ(reader.Bytes(node, "strings"), std::string("one\0two\0", 8));
  EXPECT_EQ(reader.Bytes(node, "bytes"), "\x09\x08");
  EXPECT_THAT(reader.Cells(node, "ranges"), Optional(ElementsAre(1, 0, 0, 0x2000)));
}

TEST(FdtBuilderTest, NodesNestAsTheirLifetimes) {
  FdtBuilder fdt(kRoom);
  {
    FdtBuilder::Node root = fdt.Begin("");
    {
      FdtBuilder::Node a = fdt.Begin("a");
      FdtBuilder::Node b = fdt.Begin("b");
    }
    FdtBuilder::Node c = fdt.Begin("c");
  }
  const auto blob = fdt.Finish();
  ASSERT_TRUE(blob.ok()) << blob.status();
  const FdtReader reader(*blob);
  EXPECT_TRUE(reader.HasNode("/a/b"));
  EXPECT_TRUE(reader.HasNode("/c"));
  EXPECT_FALSE(reader.HasNode("/b"));
}

TEST(FdtBuilderTest, GrowsToItsLimitAndKeepsWhatWasWritten) {
  FdtBuilder fdt(kRoom);
  {
    FdtBuilder::Node root = fdt.Begin("");
    for (uint32_t i = 0; i < 5000; ++i) {
      FdtBuilder::Node node = fdt.Begin("n", i);
      fdt.U32("value", i);
      if (i < 500) fdt.Bytes("unique" + std::to_string(i), std::vector<std::byte>(i % 7));
    }
  }
  const auto blob = fdt.Finish();
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_GT(blob->size(), 64 * kKiB);
  const FdtReader reader(*blob);
  ASSERT_TRUE(reader.IsValid());
  EXPECT_THAT(reader.Cells("/n@0", "value"), Optional(ElementsAre(0)));
  EXPECT_THAT(reader.Cells("/n@1387", "value"), Optional(ElementsAre(4999)));
  EXPECT_EQ(reader.Bytes("/n@6", "unique6"), std::string(6, '\0'));
}

TEST(FdtBuilderTest, TooLargeIsOneErrorAtTheEnd) {
  FdtBuilder fdt(2000);
  {
    FdtBuilder::Node root = fdt.Begin("");
    for (int i = 0; i < 100; ++i) fdt.Bytes("p", std::vector<std::byte>(100));
    fdt.U32("later", 1);
  }
  const auto blob = fdt.Finish();
  EXPECT_TRUE(absl::IsResourceExhausted(blob.status())) << blob.status();
  EXPECT_THAT(blob.status().message(), HasSubstr("2000 bytes"));
}

TEST(FdtBuilderTest, OnePropertyBeyondTheLimit) {
  FdtBuilder fdt(2000);
  {
    FdtBuilder::Node root = fdt.Begin("");
    fdt.Bytes("p", std::vector<std::byte>(4000));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(fdt.Finish().status()));
}

TEST(FdtBuilderTest, WrongNestingIsAnError) {
  FdtBuilder fdt(kRoom);
  const FdtBuilder::Node root = fdt.Begin("");
  EXPECT_FALSE(fdt.Finish().ok());
}

}  // namespace
}  // namespace firn
