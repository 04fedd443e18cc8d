// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/message_types.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace firn {

MessageTypes::MessageTypes(std::string_view schema) {
  if (!schema_.ParseFromArray(schema.data(), static_cast<int>(schema.size()))) {
    schema_.Clear();
    return;
  }
  for (const state::FileDescriptorProto& proto : schema_.descriptors().file()) {
    for (const state::DescriptorProto& message : proto.message_type()) {
      Add(absl::StrCat(".", proto.package(), ".", message.name()), message, 0);
    }
  }
}

void MessageTypes::Add(const std::string& name, const state::DescriptorProto& message, int depth) {
  if (depth > kMaximumMessageDepth) return;
  messages_[name] = &message;
  for (const state::DescriptorProto& nested : message.nested_type()) {
    Add(absl::StrCat(name, ".", nested.name()), nested, depth + 1);
  }
}

std::string MessageTypes::TypeOf(std::string_view section) const {
  const state::SectionType* best = nullptr;
  for (const state::SectionType& type : schema_.sections()) {
    const bool matches = type.section() == section || (absl::EndsWith(type.section(), "/") &&
                                                       absl::StartsWith(section, type.section()));
    if (matches && (best == nullptr || type.section().size() > best->section().size())) {
      best = &type;
    }
  }
  return best == nullptr ? "" : best->message();
}

const state::DescriptorProto* MessageTypes::Find(std::string_view name) const {
  const auto found = messages_.find(name);
  return found == messages_.end() ? nullptr : found->second;
}

const state::FieldDescriptorProto* MessageTypes::FieldOf(const state::DescriptorProto& message,
                                                         int number) {
  // The last counts, as in a message.
  for (int i = message.field_size(); i-- > 0;) {
    if (message.field(i).number() == number) return &message.field(i);
  }
  return nullptr;
}

}  // namespace firn
