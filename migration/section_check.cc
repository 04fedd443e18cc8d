// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/section_check.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "migration/message_types.h"

namespace firn {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kMessage = WireFormatLite::TYPE_MESSAGE;

CodedInputStream Stream(std::string_view bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()),
                          static_cast<int>(bytes.size()));
}

WireFormatLite::WireType WireTypeOf(int type) {
  return WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(type));
}

// One value of a wire type of fixed or variable length.
bool Skip(CodedInputStream& input, WireFormatLite::WireType wire) {
  uint64_t value = 0;
  uint32_t word = 0;
  switch (wire) {
    case WireFormatLite::WIRETYPE_VARINT:
      return input.ReadVarint64(&value);
    case WireFormatLite::WIRETYPE_FIXED64:
      return input.ReadLittleEndian64(&value);
    case WireFormatLite::WIRETYPE_FIXED32:
      return input.ReadLittleEndian32(&word);
    default:
      return false;  // groups: proto3 has none
  }
}

class Checker {
 public:
  explicit Checker(const MessageTypes& types) : types_(types) {}

  // The name of what is wrong; empty where nothing is.
  std::string Check(const state::DescriptorProto& message, std::string_view bytes,
                    int depth) const {
    if (depth > kMaximumMessageDepth) return "its depth";
    CodedInputStream input = Stream(bytes);
    while (const uint32_t tag = input.ReadTag()) {
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const WireFormatLite::WireType wire = WireFormatLite::GetTagWireType(tag);
      const state::FieldDescriptorProto* field = MessageTypes::FieldOf(message, number);
      const std::string name = field == nullptr ? absl::StrCat("field ", number) : field->name();
      if (wire != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
        const bool is_of_type = field == nullptr || WireTypeOf(field->type()) == wire;
        if (!is_of_type || !Skip(input, wire)) return name;
        continue;
      }
      uint32_t size = 0;
      if (!input.ReadVarint32(&size)) return name;
      const size_t at = static_cast<size_t>(input.CurrentPosition());
      if (size > bytes.size() - at || !input.Skip(static_cast<int>(size))) return name;
      const std::string wrong =
          field == nullptr ? "" : CheckBytes(*field, bytes.substr(at, size), depth);
      if (!wrong.empty()) return wrong;
    }
    return input.ConsumedEntireMessage() ? "" : "its end";
  }

 private:
  std::string CheckBytes(const state::FieldDescriptorProto& field, std::string_view bytes,
                         int depth) const {
    if (field.type() == kMessage) {
      const state::DescriptorProto* nested = types_.Find(field.type_name());
      if (nested == nullptr) return field.name();
      const std::string wrong = Check(*nested, bytes, depth + 1);
      return wrong.empty() ? "" : absl::StrCat(field.name(), ".", wrong);
    }
    const WireFormatLite::WireType wire = WireTypeOf(field.type());
    if (wire == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) return "";
    // Numbers of a repeated field, packed.
    CodedInputStream input = Stream(bytes);
    while (input.CurrentPosition() < static_cast<int>(bytes.size())) {
      if (!Skip(input, wire)) return field.name();
    }
    return "";
  }

  const MessageTypes& types_;
};

}  // namespace

absl::Status CheckMessage(const MessageTypes& types, std::string_view message,
                          std::string_view bytes) {
  const state::DescriptorProto* type = types.Find(absl::StrCat(".", message));
  if (type == nullptr) return absl::OkStatus();
  const std::string wrong = Checker(types).Check(*type, bytes, 0);
  return wrong.empty() ? absl::OkStatus()
                       : absl::DataLossError(absl::StrCat("cannot be read: ", wrong));
}

absl::Status CheckSections(const StateFile& file, const MessageTypes& types) {
  for (const StateSection& section : file.sections) {
    const absl::Status status = CheckMessage(types, types.TypeOf(section.name), section.content);
    if (!status.ok()) {
      return absl::DataLossError(absl::StrCat("section ", section.name, " ", status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace firn
