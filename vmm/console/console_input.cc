// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/console_input.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "hypervisor/errno_status.h"

namespace firn {
namespace {

// What is read at once, and thus the most that waits here.
constexpr size_t kChunk = 1024;

}  // namespace

ConsoleInput::ConsoleInput(EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)), self_(std::make_shared<ConsoleInput*>(this)) {
  Watch();
}

ConsoleInput::~ConsoleInput() {
  *self_ = nullptr;
  Unwatch();
}

void ConsoleInput::Watch() {
  if (at_end_ || is_watched_) return;
  const absl::Status status = loop_.AddMonitor(options_.fd, [this] { OnReadable(); });
  if (status.ok()) {
    is_watched_ = true;
  } else if (GetErrno(status) == EPERM) {
    PostRead();
  } else {
    at_end_ = true;
  }
}

void ConsoleInput::Unwatch() {
  if (std::exchange(is_watched_, false)) loop_.RemoveMonitor(options_.fd);
}

void ConsoleInput::PostRead() {
  loop_.Post([self = self_] {
    if (*self != nullptr) (*self)->OnReadable();
  });
}

void ConsoleInput::OnReadable() {
  if (at_end_ || !pending_.empty()) return;
  std::array<char, kChunk> chunk;
  const ssize_t size = read(options_.fd, chunk.data(), chunk.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
    if (!is_watched_) PostRead();
    return;
  }
  if (size <= 0) {
    at_end_ = true;
    Unwatch();
    return;
  }
  const std::string_view typed(chunk.data(), static_cast<size_t>(size));
  if (!options_.has_escapes) {
    pending_ = typed;
  } else {
    EscapeParser::Result result = escapes_.Parse(typed);
    pending_ = std::move(result.input);
    if (result.help) options_.on_help();
    if (result.quit) {
      at_end_ = true;
      Unwatch();
      options_.on_quit();
      return;
    }
  }
  Deliver();
}

void ConsoleInput::Deliver() {
  if (!pending_.empty()) {
    const size_t taken = options_.deliver(
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(pending_.data()), pending_.size()));
    pending_.erase(0, taken);
  }
  if (!pending_.empty()) {
    // Leave the rest in the pipe until the guest has room.
    Unwatch();
  } else if (!at_end_ && !is_watched_) {
    Watch();
  }
}

void ConsoleInput::Resume() {
  loop_.Post([self = self_] {
    if (*self != nullptr && !(*self)->pending_.empty()) (*self)->Deliver();
  });
}

}  // namespace firn
