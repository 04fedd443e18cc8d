// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/fdt_text.h"

#include <libfdt.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firn {
namespace {

// One or more NUL-terminated strings of printable text, none of them empty.
bool IsStrings(std::string_view value) {
  if (value.empty() || value.back() != '\0' || value.front() == '\0') return false;
  for (size_t i = 0; i + 1 < value.size(); ++i) {
    const char c = value[i];
    if (c == '\0' ? value[i + 1] == '\0' : !absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return false;
    }
  }
  return true;
}

std::string StringsText(std::string_view value) {
  std::string text = "\"";
  value.remove_suffix(1);
  for (const char c : value) {
    if (c == '\0') {
      absl::StrAppend(&text, "\", \"");
    } else {
      if (c == '"' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
  }
  return absl::StrCat(text, "\"");
}

std::string ValueText(std::string_view value) {
  if (IsStrings(value)) return StringsText(value);
  std::string text;
  const bool is_cells = value.size() % sizeof(fdt32_t) == 0;
  if (is_cells) {
    for (size_t i = 0; i < value.size(); i += sizeof(fdt32_t)) {
      absl::StrAppendFormat(&text, "%s0x%x", i == 0 ? "" : " ",
                            fdt32_ld(reinterpret_cast<const fdt32_t*>(value.data() + i)));
    }
    return absl::StrCat("<", text, ">");
  }
  for (size_t i = 0; i < value.size(); ++i) {
    absl::StrAppendFormat(&text, "%s%02x", i == 0 ? "" : " ",
                          static_cast<unsigned>(static_cast<unsigned char>(value[i])));
  }
  return absl::StrCat("[", text, "]");
}

// dtc takes numbers for phandles only where it need not look behind them. Nothing where a cell is
// no phandle.
std::optional<std::string> ReferencesText(const void* fdt, std::string_view value) {
  std::string text;
  for (size_t i = 0; i + sizeof(fdt32_t) <= value.size(); i += sizeof(fdt32_t)) {
    const uint32_t phandle = fdt32_ld(reinterpret_cast<const fdt32_t*>(value.data() + i));
    char path[256];
    const int node = fdt_node_offset_by_phandle(fdt, phandle);
    if (node < 0 || fdt_get_path(fdt, node, path, sizeof(path)) != 0) return std::nullopt;
    absl::StrAppend(&text, i == 0 ? "" : " ", "&{", path, "}");
  }
  return absl::StrCat("<", text, ">");
}

absl::Status AppendProperties(const void* fdt, int node, std::string_view indent,
                              std::string& text) {
  int property = 0;
  fdt_for_each_property_offset(property, fdt, node) {
    const char* name = nullptr;
    int size = 0;
    const void* value = fdt_getprop_by_offset(fdt, property, &name, &size);
    if (value == nullptr) return absl::InvalidArgumentError(fdt_strerror(size));
    absl::StrAppend(&text, indent, name);
    if (size > 0) {
      const std::string_view bytes(static_cast<const char*>(value), static_cast<size_t>(size));
      std::optional<std::string> references;
      if (std::string_view(name) == "clocks") references = ReferencesText(fdt, bytes);
      absl::StrAppend(&text, " = ", references ? *references : ValueText(bytes));
    }
    absl::StrAppend(&text, ";\n");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FdtToText(absl::Span<const std::byte> blob) {
  const void* fdt = blob.data();
  if (const int error = fdt_check_full(fdt, blob.size()); error != 0) {
    return absl::InvalidArgumentError(absl::StrCat("device tree: ", fdt_strerror(error)));
  }
  std::string text = "/dts-v1/;\n\n";
  int depth = -1;
  int last_depth = -1;
  // Behind the root's end the depth is below that of the root.
  for (int node = fdt_next_node(fdt, -1, &depth); node >= 0 && depth >= 0;
       node = fdt_next_node(fdt, node, &depth)) {
    for (; last_depth >= depth; --last_depth) {
      absl::StrAppend(&text, std::string(static_cast<size_t>(last_depth), '\t'), "};\n");
    }
    last_depth = depth;
    const std::string indent(static_cast<size_t>(depth), '\t');
    const std::string_view name = fdt_get_name(fdt, node, nullptr);
    absl::StrAppend(&text, depth == 0 ? "" : "\n", indent, depth == 0 ? "/" : name, " {\n");
    absl::Status status = AppendProperties(fdt, node, indent + "\t", text);
    if (!status.ok()) return status;
  }
  for (; last_depth >= 0; --last_depth) {
    absl::StrAppend(&text, std::string(static_cast<size_t>(last_depth), '\t'), "};\n");
  }
  return text;
}

}  // namespace firn
