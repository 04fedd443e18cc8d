// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/log/check.h"
#include "hypervisor/errno_status.h"
#include "vmm/console/terminal.h"

namespace firn {
namespace {

constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// A handler has no argument of ours.
std::atomic<int> event_fd = -1;
std::atomic<int> first_signal = 0;
struct sigaction former[std::size(kEndingSignals)];
struct sigaction former_pipe;

// Async-signal-safe.
void OnSignal(int signal) {
  const int saved_errno = errno;
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, signal)) {
    RestoreTerminal();
    _exit(128 + signal);
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = write(event_fd, &one, sizeof(one));
  errno = saved_errno;
}

}  // namespace

absl::StatusOr<Signals> Signals::Install() {
  CHECK_EQ(event_fd, -1) << "signals are installed already";
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, "eventfd");
  event_fd = fd;
  first_signal = 0;
  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < std::size(kEndingSignals); ++i) {
    sigaction(kEndingSignals[i], nullptr, &former[i]);
    // nohup and background jobs of a shell have some ignored; that stays.
    if (former[i].sa_handler != SIG_IGN) sigaction(kEndingSignals[i], &action, nullptr);
  }
  // A closed pipe is an error of write.
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &former_pipe);
  return Signals();
}

Signals::Signals(Signals&& other) noexcept : installed_(std::exchange(other.installed_, false)) {}

Signals::~Signals() {
  if (!installed_) return;
  for (size_t i = 0; i < std::size(kEndingSignals); ++i) {
    sigaction(kEndingSignals[i], &former[i], nullptr);
  }
  sigaction(SIGPIPE, &former_pipe, nullptr);
  close(event_fd.exchange(-1));
}

int Signals::fd() const { return event_fd; }
int Signals::received() const { return first_signal; }

}  // namespace firn
