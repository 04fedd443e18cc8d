// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which messages the sections of a state file are, by a description (section `schema`).
#ifndef FIRN_MIGRATION_MESSAGE_TYPES_H_
#define FIRN_MIGRATION_MESSAGE_TYPES_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "migration/schema.pb.h"

namespace firn {

// Immutable. The schema may be a file's, so it may say anything.
class MessageTypes {
 public:
  // Knows nothing where `schema` is no state::Schema.
  explicit MessageTypes(std::string_view schema);
  MessageTypes(const MessageTypes&) = delete;  // it points into itself
  MessageTypes& operator=(const MessageTypes&) = delete;

  // "firn.state.Manifest" for "manifest", "json" for text, "" for what is not known: the longest
  // entry that names the section or what its name begins with.
  std::string TypeOf(std::string_view section) const;
  // Null where it is not known. `name` has a dot in front, as in descriptors.
  const state::DescriptorProto* Find(std::string_view name) const;

  // The field of `message` with that number, or null.
  static const state::FieldDescriptorProto* FieldOf(const state::DescriptorProto& message,
                                                    int number);

 private:
  void Add(const std::string& name, const state::DescriptorProto& message, int depth);

  state::Schema schema_;
  std::map<std::string, const state::DescriptorProto*, std::less<>> messages_;
};

// Messages in messages, deeper than which nothing is looked at.
inline constexpr int kMaximumMessageDepth = 16;

}  // namespace firn

#endif  // FIRN_MIGRATION_MESSAGE_TYPES_H_
