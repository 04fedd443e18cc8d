// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "migration/manifest.pb.h"
#include "migration/schema.pb.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

state::Schema SchemaOf(const std::string& section, const std::string& message) {
  state::Schema schema;
  state::FileDescriptorProto& file = *schema.mutable_descriptors()->add_file();
  file.set_package("p");
  state::DescriptorProto& type = *file.add_message_type();
  type.set_name("M");
  state::FieldDescriptorProto& vcpus = *type.add_field();
  vcpus.set_name("processors");  // another name than this firn's
  vcpus.set_number(9);
  vcpus.set_type(13);
  state::FieldDescriptorProto& parent = *type.add_field();
  parent.set_name("parent");
  parent.set_number(2);
  parent.set_type(11);
  parent.set_type_name(".p.M");
  state::SectionType& entry = *schema.add_sections();
  entry.set_section(section);
  entry.set_message(message);
  return schema;
}

std::string Sample() {
  state::Manifest manifest;
  manifest.set_vcpus(3);
  manifest.mutable_parent()->set_path("x");
  manifest.set_writer("firn of the future");
  return manifest.SerializeAsString();
}

TEST(InspectTest, ByTheFilesOwnDescription) {
  StateFile file;
  file.format_version = 99;
  file.Add("manifest", Sample());
  file.Add("schema", SchemaOf("manifest", "p.M").SerializeAsString());
  const std::string text = DescribeState(file);
  EXPECT_THAT(text, HasSubstr("processors: 3"));
  EXPECT_THAT(text, HasSubstr("field 3: \"firn of the future\""));
  EXPECT_THAT(text, HasSubstr("parent {"));
}

TEST(InspectTest, WithoutDescription) {
  StateFile file;
  file.Add("manifest", Sample());
  file.Add("odd", std::string(100, '\xfe'), /*mandatory=*/false);
  const std::string text = DescribeState(file);
  EXPECT_THAT(text, HasSubstr("(100 bytes, optional)"));
  EXPECT_THAT(text, HasSubstr("fefefe"));
  EXPECT_THAT(text, HasSubstr("… (100 bytes)"));
  EXPECT_THAT(DescribeState(file, {.section = "odd", .full = true}), Not(HasSubstr("…")));
  EXPECT_THAT(DescribeState(file, {.section = "odd"}), Not(HasSubstr("manifest")));
}

TEST(InspectTest, DamagedMessagesAreShownAsBytes) {
  const std::string schema = SchemaOf("manifest", "p.M").SerializeAsString();
  const std::string good = Sample();
  for (size_t size = 0; size <= good.size(); ++size) {
    StateFile file;
    file.Add("manifest", good.substr(0, size));
    file.Add("schema", schema);
    EXPECT_THAT(DescribeState(file), HasSubstr("manifest  ("));
  }
}

}  // namespace
}  // namespace firn
