// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The kernel command line.
// Source: Linux Documentation/admin-guide/kernel-parameters.rst; lib/cmdline.c for its syntax.
#ifndef FIRN_BOOT_COMMAND_LINE_H_
#define FIRN_BOOT_COMMAND_LINE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn {

// COMMAND_LINE_SIZE of arm64, the terminating NUL included. The kernel cuts what is longer off.
inline constexpr size_t kCommandLineSize = 2048;

// A command line that a kernel takes as it is: printable ASCII, and not too long.
class CommandLine {
 public:
  // Empty.
  CommandLine() = default;

  // InvalidArgument, with the place, for a line of kCommandLineSize bytes or more, and for bytes
  // other than printable ASCII (a NUL, a newline).
  static absl::StatusOr<CommandLine> Create(std::string_view text);

  const std::string& text() const { return text_; }

  // True where the kernel's part of the line, before "--", has the parameter `name`, with or
  // without a value. The kernel takes "-" and "_" in names for the same.
  bool Has(std::string_view name) const;

  // Adds " name=value" to the kernel's part. InvalidArgument, and no change, as in Create.
  absl::Status Add(std::string_view name, std::string_view value);

 private:
  explicit CommandLine(std::string_view text) : text_(text) {}

  std::string text_;
};

}  // namespace firn

#endif  // FIRN_BOOT_COMMAND_LINE_H_
