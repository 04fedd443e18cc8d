// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace firn {
namespace {

bool IsReadable(int fd) {
  pollfd poll_fd = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&poll_fd, 1, 0) == 1;
}

TEST(SignalsTest, FirstSignalIsReported) {
  auto signals = Signals::Install();
  ASSERT_TRUE(signals.ok());
  EXPECT_FALSE(IsReadable(signals->fd()));
  EXPECT_EQ(signals->received(), 0);
  raise(SIGTERM);
  EXPECT_TRUE(IsReadable(signals->fd()));
  EXPECT_EQ(signals->received(), SIGTERM);
}

TEST(SignalsTest, SecondSignalEndsTheProcess) {
  const pid_t child = fork();
  if (child == 0) {
    auto signals = Signals::Install();
    raise(SIGINT);
    if (signals->received() != SIGINT) _exit(1);
    raise(SIGTERM);
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
}

TEST(SignalsTest, IgnoredSignalsStayIgnored) {
  signal(SIGHUP, SIG_IGN);
  auto signals = Signals::Install();
  raise(SIGHUP);
  EXPECT_EQ(signals->received(), 0);
  signal(SIGHUP, SIG_DFL);
}

TEST(SignalsTest, DispositionsComeBack) {
  { auto signals = Signals::Install(); }
  struct sigaction action = {};
  sigaction(SIGTERM, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace firn
