// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/terminal.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "absl/log/check.h"
#include "hypervisor/errno_status.h"
#include "vmm/console/memory_guard.h"

namespace firn {
namespace {

// Those that end a process by themselves, and that nothing else in firn handles.
constexpr int kDeadlySignals[] = {SIGSEGV, SIGBUS,    SIGILL,    SIGFPE,  SIGABRT, SIGSYS,
                                  SIGTRAP, SIGXCPU,   SIGXFSZ,   SIGALRM, SIGPROF, SIGPOLL,
                                  SIGPWR,  SIGVTALRM, SIGSTKFLT, SIGUSR1, SIGUSR2};
constexpr char kEscape = 0x01;  // Ctrl-A

// For signal handlers: the terminal that is raw, or -1, and its former settings.
std::atomic<int> raw_fd = -1;
struct termios cooked;
struct sigaction former[std::size(kDeadlySignals)];

// Async-signal-safe. Puts the terminal back and dies of the signal as if this were not here.
void OnDeadlySignal(int signal, siginfo_t* info, void*) {
  if (signal == SIGBUS && HandleMemoryFault(*info)) return;
  RestoreTerminal();
  for (size_t i = 0; i < std::size(kDeadlySignals); ++i) {
    if (kDeadlySignals[i] == signal) sigaction(signal, &former[i], nullptr);
  }
  // Blocked until this handler returns; then the fault happens again, or this arrives.
  raise(signal);
}

}  // namespace

void RestoreTerminal() {
  const int saved_errno = errno;
  const int fd = raw_fd.exchange(-1);
  // TCSANOW, because draining may wait for ever.
  if (fd >= 0) {
    while (tcsetattr(fd, TCSANOW, &cooked) < 0 && errno == EINTR) {
    }
  }
  errno = saved_errno;
}

absl::StatusOr<std::optional<RawTerminal>> RawTerminal::Enter(int fd) {
  CHECK_EQ(raw_fd, -1) << "a terminal is raw already";
  if (isatty(fd) == 0) return std::nullopt;
  // A background job that changed its terminal would be stopped, or would upset a shell.
  const pid_t foreground = tcgetpgrp(fd);
  if (foreground >= 0 && foreground != getpgrp()) return std::nullopt;
  if (tcgetattr(fd, &cooked) < 0) return ErrnoStatus(errno, "tcgetattr");
  struct termios raw = cooked;
  cfmakeraw(&raw);
  raw.c_oflag = cooked.c_oflag;
  struct sigaction action = {};
  action.sa_sigaction = &OnDeadlySignal;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < std::size(kDeadlySignals); ++i) {
    sigaction(kDeadlySignals[i], &action, &former[i]);
  }
  static const int registered = std::atexit(&RestoreTerminal);
  (void)registered;
  RawTerminal terminal;
  // Armed first: a signal in between puts back what has not changed, which is harmless.
  raw_fd = fd;
  if (tcsetattr(fd, TCSANOW, &raw) < 0) return ErrnoStatus(errno, "tcsetattr");
  return std::optional<RawTerminal>(std::move(terminal));
}

RawTerminal::RawTerminal(RawTerminal&& other) noexcept
    : active_(std::exchange(other.active_, false)) {}

RawTerminal::~RawTerminal() {
  if (!active_) return;
  RestoreTerminal();
  for (size_t i = 0; i < std::size(kDeadlySignals); ++i) {
    sigaction(kDeadlySignals[i], &former[i], nullptr);
  }
}

EscapeParser::Result EscapeParser::Parse(std::string_view typed) {
  Result result;
  for (const char c : typed) {
    if (!escaped_) {
      if (c == kEscape) {
        escaped_ = true;
      } else {
        result.input.push_back(c);
      }
      continue;
    }
    escaped_ = false;
    switch (c) {
      case 'x':
      case 'X':
        result.quit = true;
        return result;
      case 'h':
      case 'H':
      case '?':
        result.help = true;
        break;
      case kEscape:
        result.input.push_back(kEscape);
        break;
      default:  // no command: what was typed was meant for the guest
        result.input.push_back(kEscape);
        result.input.push_back(c);
    }
  }
  return result;
}

}  // namespace firn
