// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kick_signal.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn::kvm {

absl::Status InstallKickHandler() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  // A kick that comes a moment too late must not disturb a device's system call. KVM_RUN returns
  // EINTR all the same.
  action.sa_flags = SA_RESTART;
  if (sigaction(SIGRTMIN, &action, nullptr) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "sigaction(SIGRTMIN)");
}

pid_t PrepareForKicks() {
  thread_local const pid_t thread = [] {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGRTMIN);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    return gettid();
  }();
  return thread;
}

void SendKick(pid_t thread) { tgkill(getpid(), thread, SIGRTMIN); }

}  // namespace firn::kvm
