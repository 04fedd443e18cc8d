// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Command line flags: a table of what a command takes, and what was given.
#ifndef FIRN_VMM_CONFIG_FLAGS_H_
#define FIRN_VMM_CONFIG_FLAGS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace firn {

struct FlagSpec {
  std::string_view name;        // without the dashes
  std::string_view value_name;  // "PATH"; empty for a flag that is on when it is there
  std::string_view help;        // one or more lines, without indentation
  bool repeatable = false;
};

// The flags of one command line, and its operands: what is no flag. Views stay valid as long as the
// arguments do.
class Flags {
 public:
  // Takes `--name value` and `--name=value`, each once unless repeatable, and one word for each
  // name in `operands` ("SOCK"), before, between or behind the flags. InvalidArgument names what is
  // unknown (with the nearest flag), given twice, without its value, with a value that the flag
  // does not take, an operand too many or missing.
  static absl::StatusOr<Flags> Parse(absl::Span<const FlagSpec> specs,
                                     absl::Span<const std::string_view> arguments,
                                     absl::Span<const std::string_view> operands = {});

  bool Has(std::string_view name) const { return values_.contains(name); }
  // The value of a flag that is not repeatable.
  std::optional<std::string_view> Get(std::string_view name) const;
  // In the order of the command line.
  std::vector<std::string_view> GetAll(std::string_view name) const;
  // As many as Parse was told of.
  std::string_view operand(size_t index) const { return operands_[index]; }

 private:
  std::map<std::string_view, std::vector<std::string_view>> values_;
  std::vector<std::string_view> operands_;
};

// The table as --help shows it: two columns, within 100 characters.
std::string FlagsHelp(absl::Span<const FlagSpec> specs);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_FLAGS_H_
