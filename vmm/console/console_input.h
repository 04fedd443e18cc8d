// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Brings what is typed, or piped in, to the guest's console, no faster than the guest takes it.
#ifndef FIRN_VMM_CONSOLE_CONSOLE_INPUT_H_
#define FIRN_VMM_CONSOLE_CONSOLE_INPUT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "vmm/base/event_loop.h"
#include "vmm/console/terminal.h"

namespace firn {

// Thread rules: the thread of the event loop only, but for Resume.
class ConsoleInput {
 public:
  struct Options {
    int fd = 0;
    bool has_escapes = false;  // a raw terminal: Ctrl-A commands count
    // Gives input to the guest; returns how many bytes it took, from the front.
    std::function<size_t(absl::Span<const std::byte>)> deliver;
    std::function<void()> on_quit;
    std::function<void()> on_help;
  };

  // `loop` outlives this. An end of input or an error of read just ends the input.
  ConsoleInput(EventLoop& loop, Options options);
  ~ConsoleInput();
  ConsoleInput(const ConsoleInput&) = delete;
  ConsoleInput& operator=(const ConsoleInput&) = delete;

  // The guest has room again, after `deliver` took less than it was given. Any thread.
  void Resume();

 private:
  // Reads and delivers once.
  void OnReadable();
  void Deliver();
  void Watch();
  void Unwatch();
  // For a regular file, which epoll does not take: it is always readable.
  void PostRead();

  EventLoop& loop_;
  const Options options_;
  EscapeParser escapes_;
  std::string pending_;  // taken from fd, not yet by the guest
  bool at_end_ = false;
  bool is_watched_ = false;
  // Posted work may run after this is gone: it looks here first.
  std::shared_ptr<ConsoleInput*> self_;
};

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_CONSOLE_INPUT_H_
