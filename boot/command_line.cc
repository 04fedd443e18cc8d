// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/command_line.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firn {
namespace {

// Parameters, separated by spaces outside double quotes.
class Parameters {
 public:
  explicit Parameters(std::string_view line) : line_(line) {}

  struct Parameter {
    size_t offset;
    std::string_view text;
  };

  std::optional<Parameter> Next() {
    while (position_ < line_.size() && line_[position_] == ' ') ++position_;
    if (position_ == line_.size()) return std::nullopt;
    const size_t start = position_;
    bool quoted = false;
    for (; position_ < line_.size() && (quoted || line_[position_] != ' '); ++position_) {
      if (line_[position_] == '"') quoted = !quoted;
    }
    return Parameter{start, line_.substr(start, position_ - start)};
  }

 private:
  const std::string_view line_;
  size_t position_ = 0;
};

// What follows is init's, not the kernel's.
constexpr std::string_view kEndOfKernelParameters = "--";

char NameCharacter(char c) { return c == '-' ? '_' : c; }

bool IsNamed(std::string_view parameter, std::string_view name) {
  if (!parameter.empty() && parameter.front() == '"') parameter.remove_prefix(1);
  if (parameter.size() < name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (NameCharacter(parameter[i]) != NameCharacter(name[i])) return false;
  }
  return parameter.size() == name.size() || parameter[name.size()] == '=' ||
         parameter[name.size()] == '"';
}

}  // namespace

absl::StatusOr<CommandLine> CommandLine::Create(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c > 0x7e) {
      return absl::InvalidArgumentError(
          absl::StrFormat("the kernel command line has byte 0x%02x at position %d: only printable "
                          "ASCII can be passed on",
                          c, i));
    }
  }
  if (text.size() >= kCommandLineSize) {
    return absl::InvalidArgumentError(absl::StrCat("the kernel command line has ", text.size(),
                                                   " bytes, an arm64 kernel takes ",
                                                   kCommandLineSize - 1, ": shorten it"));
  }
  return CommandLine(text);
}

bool CommandLine::Has(std::string_view name) const {
  Parameters parameters(text_);
  while (const auto parameter = parameters.Next()) {
    if (parameter->text == kEndOfKernelParameters) return false;
    if (IsNamed(parameter->text, name)) return true;
  }
  return false;
}

absl::Status CommandLine::Add(std::string_view name, std::string_view value) {
  size_t end = text_.size();
  Parameters parameters(text_);
  while (const auto parameter = parameters.Next()) {
    if (parameter->text == kEndOfKernelParameters) {
      end = parameter->offset;
      break;
    }
  }
  const std::string_view text = text_;
  const std::string_view before = text.substr(0, end);
  const std::string_view after = text.substr(end);
  absl::StatusOr<CommandLine> longer =
      Create(absl::StrCat(before, before.empty() || before.back() == ' ' ? "" : " ", name, "=",
                          value, after.empty() ? "" : " ", after));
  if (!longer.ok()) return longer.status();
  *this = *std::move(longer);
  return absl::OkStatus();
}

}  // namespace firn
