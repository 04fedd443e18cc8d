// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The terminal of an interactive guest: raw while the guest runs, and put back whatever happens.
#ifndef FIRN_VMM_CONSOLE_TERMINAL_H_
#define FIRN_VMM_CONSOLE_TERMINAL_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn {

// Raw mode on one terminal; at most one at a time. Also put back when the process dies of
// SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGABRT, and at exit().
class RawTerminal {
 public:
  // Nothing where `fd` is no terminal, or one that another process group has in the foreground.
  // Output processing stays on, so that messages of firn itself look right.
  // Errors: those of tcgetattr and tcsetattr.
  static absl::StatusOr<std::optional<RawTerminal>> Enter(int fd);

  ~RawTerminal();
  RawTerminal(RawTerminal&& other) noexcept;
  RawTerminal& operator=(RawTerminal&&) = delete;

 private:
  RawTerminal() = default;
  bool active_ = true;
};

// Puts the terminal back if it is raw. Async-signal-safe, any thread, any number of times.
void RestoreTerminal();

// Finds firn's own commands in what is typed: Ctrl-A x quits, Ctrl-A h helps, Ctrl-A Ctrl-A is
// one Ctrl-A for the guest.
class EscapeParser {
 public:
  struct Result {
    std::string input;  // for the guest
    bool quit = false;  // what came behind is dropped
    bool help = false;
  };
  Result Parse(std::string_view typed);

 private:
  bool escaped_ = false;
};

inline constexpr std::string_view kEscapeHelp =
    "Ctrl-A x  stop the guest and quit\n"
    "Ctrl-A h  this help\n"
    "Ctrl-A Ctrl-A  send Ctrl-A\n";

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_TERMINAL_H_
