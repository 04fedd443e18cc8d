// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/flags.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "vmm/config/nearest.h"

namespace firn {
namespace {

const FlagSpec* Find(absl::Span<const FlagSpec> specs, std::string_view name) {
  for (const FlagSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

absl::Status UnknownFlag(absl::Span<const FlagSpec> specs, std::string_view name) {
  std::vector<std::string_view> names;
  for (const FlagSpec& spec : specs) names.push_back(spec.name);
  const std::string_view nearest = Nearest(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat("unknown flag --", name,
                   nearest.empty() ? "" : absl::StrCat("; did you mean --", nearest, "?")));
}

}  // namespace

absl::StatusOr<Flags> Flags::Parse(absl::Span<const FlagSpec> specs,
                                   absl::Span<const std::string_view> arguments,
                                   absl::Span<const std::string_view> operands) {
  Flags flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (!argument.starts_with("--") || argument == "--") {
      if (flags.operands_.size() < operands.size()) {
        flags.operands_.push_back(argument);
        continue;
      }
      return absl::InvalidArgumentError(absl::StrCat(
          "unexpected argument `", argument, "`: everything ",
          operands.empty() ? "here" : absl::StrCat("but ", absl::StrJoin(operands, " and ")),
          " is a --flag"));
    }
    argument.remove_prefix(2);
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const FlagSpec* spec = Find(specs, name);
    if (spec == nullptr) return UnknownFlag(specs, name);
    std::vector<std::string_view>& values = flags.values_[spec->name];
    if (!values.empty() && !spec->repeatable) {
      return absl::InvalidArgumentError(absl::StrCat("--", name, " is given twice"));
    }
    if (spec->value_name.empty()) {
      if (equals != std::string_view::npos) {
        return absl::InvalidArgumentError(absl::StrCat("--", name, " takes no value"));
      }
      values.push_back("");
    } else if (equals != std::string_view::npos) {
      values.push_back(argument.substr(equals + 1));
    } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
      values.push_back(arguments[++i]);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, " needs a value: --", name, "=", spec->value_name));
    }
  }
  if (flags.operands_.size() < operands.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(operands[flags.operands_.size()], " is missing"));
  }
  return flags;
}

std::optional<std::string_view> Flags::Get(std::string_view name) const {
  const auto it = values_.find(name);
  if (it == values_.end()) return std::nullopt;
  return it->second.back();
}

std::vector<std::string_view> Flags::GetAll(std::string_view name) const {
  const auto it = values_.find(name);
  if (it == values_.end()) return {};
  return it->second;
}

std::string FlagsHelp(absl::Span<const FlagSpec> specs) {
  auto left = [](const FlagSpec& spec) {
    return spec.value_name.empty() ? absl::StrCat("  --", spec.name)
                                   : absl::StrCat("  --", spec.name, " ", spec.value_name);
  };
  size_t width = 0;
  for (const FlagSpec& spec : specs) width = std::max(width, left(spec).size());
  std::string help;
  for (const FlagSpec& spec : specs) {
    std::string column = left(spec);
    for (std::string_view line : absl::StrSplit(spec.help, '\n')) {
      column.resize(width + 2, ' ');
      absl::StrAppend(&help, column, line, "\n");
      column.clear();
    }
  }
  return help;
}

}  // namespace firn
