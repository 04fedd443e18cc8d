// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <array>
#include <string>

#include "absl/synchronization/notification.h"

namespace firn {
namespace {

struct Seen {
  absl::Notification may_end;
  sigset_t signals = {};
  size_t stack = 0;
};

void* Look(void* argument) {
  Seen& seen = *static_cast<Seen*>(argument);
  pthread_sigmask(SIG_BLOCK, nullptr, &seen.signals);
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstacksize(&attributes, &seen.stack);
    pthread_attr_destroy(&attributes);
  }
  seen.may_end.WaitForNotification();
  return nullptr;
}

TEST(ThreadTest, HasItsNameASmallStackAndNoSignalsOfTheProcess) {
  Seen seen;
  sigset_t before, after;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  UseSmallStacks();
  const absl::StatusOr<pthread_t> thread = StartThread("worker", "a test", &Look, &seen);
  ASSERT_TRUE(thread.ok()) << thread.status();
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  std::array<char, 16> name = {};
  EXPECT_EQ(pthread_getname_np(*thread, name.data(), name.size()), 0);
  EXPECT_EQ(std::string(name.data()), "worker");
  seen.may_end.Notify();
  ASSERT_EQ(pthread_join(*thread, nullptr), 0);
  EXPECT_LT(seen.stack, size_t{2} << 20);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1}) {
    EXPECT_EQ(sigismember(&seen.signals, signal), 1) << signal;
  }
  for (const int signal : {SIGSEGV, SIGBUS}) {
    EXPECT_EQ(sigismember(&seen.signals, signal), 0) << signal;
  }
  for (int signal = 1; signal < 32; ++signal) {
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal)) << signal;
  }
}

}  // namespace
}  // namespace firn
