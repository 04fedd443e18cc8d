// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/message.h"

#include <unistd.h>

#include <string>

#include "absl/strings/ascii.h"

namespace firn {

void PrintMessage(std::string_view message) {
  std::string line = "firn: ";
  for (const char c : message) {
    line.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? '?' : c);
  }
  line.push_back('\n');
  // Where stderr is gone there is nobody to tell.
  [[maybe_unused]] const ssize_t size = write(STDERR_FILENO, line.data(), line.size());
}

void PrintError(std::string_view message) { PrintMessage(message); }

void PrintError(const absl::Status& status) { PrintMessage(status.message()); }

}  // namespace firn
