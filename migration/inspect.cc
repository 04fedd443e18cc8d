// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/inspect.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "migration/message_types.h"

namespace firn {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr size_t kShownBytes = 32;
constexpr size_t kShownNumbers = 8;
// Names come from the file, and are repeated for every field.
constexpr size_t kMaximumName = 64;
constexpr size_t kMaximumText = 64 << 20;

// `text` without what a terminal would take for a command.
std::string Printable(std::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\n') c = '?';
  }
  return printable;
}

class Describer {
 public:
  Describer(const StateFile& file, bool full) : full_(full), types_(SchemaOf(file)) {}

  std::string Describe(const StateSection& section) const {
    const std::string type = types_.TypeOf(section.name);
    if (type == "json") return absl::StrCat(Printable(section.content), "\n");
    const state::DescriptorProto* message = types_.Find(absl::StrCat(".", type));
    std::string text;
    if (message != nullptr && DescribeMessage(*message, section.content, 1, text)) {
      return text;
    }
    return absl::StrCat("  ", Bytes(section.content), "\n");
  }

 private:
  static std::string_view SchemaOf(const StateFile& file) {
    const StateSection* section = file.Find("schema");
    return section == nullptr ? "" : std::string_view(section->content);
  }

  std::string Bytes(std::string_view bytes) const {
    const bool is_text = !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](char c) {
      return absl::ascii_isprint(static_cast<unsigned char>(c));
    });
    const std::string_view shown = full_ ? bytes : bytes.substr(0, kShownBytes);
    std::string text =
        is_text ? absl::StrCat("\"", absl::CEscape(shown), "\"") : absl::BytesToHexString(shown);
    if (shown.size() < bytes.size()) absl::StrAppend(&text, "… (", bytes.size(), " bytes)");
    return text.empty() ? "(empty)" : text;
  }

  // False where `bytes` is no such message; `text` then holds a part.
  bool DescribeMessage(const state::DescriptorProto& message, std::string_view bytes, int depth,
                       std::string& text) const {
    if (depth > kMaximumMessageDepth) return false;
    CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                           static_cast<int>(bytes.size()));
    const std::string indent(static_cast<size_t>(depth) * 2, ' ');
    while (const uint32_t tag = input.ReadTag()) {
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const state::FieldDescriptorProto* field = MessageTypes::FieldOf(message, number);
      const std::string name = field == nullptr ? absl::StrCat("field ", number)
                                                : Printable(field->name().substr(0, kMaximumName));
      if (text.size() > kMaximumText) return false;
      switch (WireFormatLite::GetTagWireType(tag)) {
        case WireFormatLite::WIRETYPE_VARINT: {
          uint64_t value = 0;
          if (!input.ReadVarint64(&value)) return false;
          absl::StrAppend(&text, indent, name, ": ", value, "\n");
          break;
        }
        case WireFormatLite::WIRETYPE_FIXED64: {
          uint64_t value = 0;
          if (!input.ReadLittleEndian64(&value)) return false;
          absl::StrAppend(&text, indent, name, ": ", absl::StrFormat("0x%016x", value), "\n");
          break;
        }
        case WireFormatLite::WIRETYPE_FIXED32: {
          uint32_t value = 0;
          if (!input.ReadLittleEndian32(&value)) return false;
          absl::StrAppend(&text, indent, name, ": ", absl::StrFormat("0x%08x", value), "\n");
          break;
        }
        case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
          uint32_t size = 0;
          std::string value;
          if (!input.ReadVarint32(&size) || size > bytes.size() ||
              !input.ReadString(&value, static_cast<int>(size))) {
            return false;
          }
          DescribeBytes(field, name, value, depth, text);
          break;
        }
        default:
          return false;
      }
    }
    return input.ConsumedEntireMessage();
  }

  void DescribeBytes(const state::FieldDescriptorProto* field, const std::string& name,
                     const std::string& value, int depth, std::string& text) const {
    const std::string indent(static_cast<size_t>(depth) * 2, ' ');
    const int type = field == nullptr ? 0 : field->type();
    if (type == WireFormatLite::TYPE_MESSAGE) {
      const state::DescriptorProto* nested = types_.Find(field->type_name());
      std::string inner;
      if (nested != nullptr && DescribeMessage(*nested, value, depth + 1, inner)) {
        absl::StrAppend(&text, indent, name, " {\n", inner, indent, "}\n");
        return;
      }
    } else if (field != nullptr && type != WireFormatLite::TYPE_BYTES &&
               type != WireFormatLite::TYPE_STRING) {
      absl::StrAppend(&text, indent, name, ": ", Packed(type, value), "\n");
      return;
    }
    absl::StrAppend(&text, indent, name, ": ", Bytes(value), "\n");
  }

  // Numbers of a repeated field, packed.
  std::string Packed(int type, std::string_view bytes) const {
    CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                           static_cast<int>(bytes.size()));
    std::string text = "[";
    for (size_t count = 0; input.CurrentPosition() < static_cast<int>(bytes.size()); ++count) {
      if (!full_ && count == kShownNumbers) {
        return absl::StrCat(text, "… (", bytes.size(), " bytes)]");
      }
      uint64_t value = 0;
      uint32_t word = 0;
      bool ok = false;
      if (type == WireFormatLite::TYPE_FIXED64 || type == WireFormatLite::TYPE_SFIXED64) {
        ok = input.ReadLittleEndian64(&value);
      } else if (type == WireFormatLite::TYPE_FIXED32 || type == WireFormatLite::TYPE_SFIXED32) {
        ok = input.ReadLittleEndian32(&word);
        value = word;
      } else {
        ok = input.ReadVarint64(&value);
      }
      if (!ok) return Bytes(bytes);
      absl::StrAppend(&text, count == 0 ? "" : " ", absl::StrFormat("0x%x", value));
    }
    return absl::StrCat(text, "]");
  }

  const bool full_;
  const MessageTypes types_;
};

}  // namespace

std::string DescribeState(const StateFile& file, const InspectOptions& options) {
  const Describer describer(file, options.full);
  std::string text;
  for (const StateSection& section : file.sections) {
    if (!options.section.empty() && section.name != options.section) continue;
    absl::StrAppend(&text, section.name, "  (", section.content.size(), " bytes",
                    section.mandatory ? "" : ", optional", ")\n");
    // The descriptions would hide what they describe.
    if (section.name == "schema" && options.section.empty() && !options.full) continue;
    absl::StrAppend(&text, describer.Describe(section));
  }
  return text;
}

}  // namespace firn
