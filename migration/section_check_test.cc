// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/section_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "migration/manifest.pb.h"
#include "migration/memory.pb.h"
#include "migration/schema.pb.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

// Descriptions of firn.state.Memory's and Manifest's fields, a part of them.
std::string Schema() {
  state::Schema schema;
  state::FileDescriptorProto& file = *schema.mutable_descriptors()->add_file();
  file.set_package("firn.state");
  const auto add = [](state::DescriptorProto& message, std::string_view name, int number, int type,
                      std::string_view type_name = "") {
    state::FieldDescriptorProto& field = *message.add_field();
    field.set_name(std::string(name));
    field.set_number(number);
    field.set_type(type);
    field.set_type_name(std::string(type_name));
  };
  state::DescriptorProto& region = *file.add_message_type();
  region.set_name("MemoryRegion");
  add(region, "address", 1, 4);
  state::DescriptorProto& memory = *file.add_message_type();
  memory.set_name("Memory");
  add(memory, "page_size", 1, 13);
  add(memory, "regions", 3, 11, ".firn.state.MemoryRegion");
  add(memory, "pages", 4, 4);
  add(memory, "checksums", 5, 7);
  state::SectionType& section = *schema.add_sections();
  section.set_section("memory");
  section.set_message("firn.state.Memory");
  return schema.SerializeAsString();
}

state::Memory Sample() {
  state::Memory memory;
  memory.set_page_size(4096);
  memory.set_chunk_pages(64);  // a field that the schema does not know
  memory.add_regions()->set_address(1);
  for (int i = 0; i < 5; ++i) memory.add_pages(1000);
  memory.add_checksums(7);
  return memory;
}

absl::Status Check(const std::string& content, std::string_view name = "memory") {
  const MessageTypes types(Schema());
  StateFile file;
  file.Add(name, content);
  return CheckSections(file, types);
}

TEST(SectionCheckTest, WhatIsWrittenPasses) {
  EXPECT_TRUE(Check(Sample().SerializeAsString()).ok());
  EXPECT_TRUE(Check("").ok());
  EXPECT_TRUE(Check("\xff\xff", "of-a-newer-firn").ok());
}

TEST(SectionCheckTest, CutOff) {
  const std::string bytes = Sample().SerializeAsString();
  int passed = 0;
  for (size_t size = 1; size < bytes.size(); ++size) {
    if (Check(bytes.substr(0, size)).ok()) ++passed;
  }
  // A message that ends behind a field is one.
  EXPECT_EQ(passed, 4);
  EXPECT_THAT(Check(bytes.substr(0, bytes.size() - 1)).message(),
              HasSubstr("section memory cannot be read: checksums"));
}

TEST(SectionCheckTest, WrongTypes) {
  EXPECT_THAT(Check(std::string("\x09 12345678", 10)).message(), HasSubstr("page_size"));
  EXPECT_THAT(Check("\x18\x05").message(), HasSubstr("regions"));  // a number
  EXPECT_THAT(Check("\x1a\x02\x0d\x01").message(), HasSubstr("regions.address"));
  EXPECT_THAT(Check("\x22\x01\x80").message(), HasSubstr("pages"));  // half a varint
  EXPECT_THAT(Check("\x2a\x03"
                    "123")
                  .message(),
              HasSubstr("checksums"));  // not 4 bytes
  EXPECT_THAT(Check("\xff\xff\xff\xff\xff\xff\xff\xff").message(), HasSubstr("cannot be read"));
  EXPECT_FALSE(Check("\x7b\x7c").ok());  // a group
  EXPECT_FALSE(Check(std::string("\x00", 1)).ok());
}

TEST(SectionCheckTest, SizesBeyondTheEnd) {
  EXPECT_FALSE(Check("\x1a\xff\xff\xff\xff\x0f").ok());
  EXPECT_FALSE(Check("\x7a\xff\xff\xff\xff\x07").ok());  // of an unknown field
}

TEST(SectionCheckTest, MessageByName) {
  const MessageTypes types(Schema());
  EXPECT_TRUE(CheckMessage(types, "firn.state.MemoryRegion", "\x08\x01").ok());
  EXPECT_FALSE(CheckMessage(types, "firn.state.MemoryRegion", "\x0d\x01").ok());
  EXPECT_TRUE(CheckMessage(types, "firn.state.Unknown", "\x0d\x01").ok());
}

}  // namespace
}  // namespace firn
