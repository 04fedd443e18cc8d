// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/thread.h"

#include <signal.h>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

constexpr size_t kStackSize = size_t{1} << 20;
// Those that an instruction of the thread itself raises.
constexpr int kOwnSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

}  // namespace

void UseSmallStacks() {
  pthread_attr_t attributes;
  CHECK_EQ(pthread_attr_init(&attributes), 0);
  CHECK_EQ(pthread_attr_setstacksize(&attributes, kStackSize), 0);
  CHECK_EQ(pthread_setattr_default_np(&attributes), 0);
  pthread_attr_destroy(&attributes);
}

absl::StatusOr<pthread_t> StartThread(const std::string& name, std::string_view purpose,
                                      void* (*main)(void*), void* argument) {
  sigset_t signals, before;
  sigfillset(&signals);
  for (const int signal : kOwnSignals) sigdelset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("pthread_create for ", purpose));
  pthread_setname_np(thread, name.c_str());
  return thread;
}

}  // namespace firn
