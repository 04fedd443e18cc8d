// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Keeps the signals that end firn away from threads other than the main one.
#ifndef FIRN_VMM_SIGNALS_BLOCKED_H_
#define FIRN_VMM_SIGNALS_BLOCKED_H_

#include <pthread.h>
#include <signal.h>

namespace firn {

// The signals that end firn in an orderly way.
inline constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// Blocks them on this thread while it lives; a thread created meanwhile inherits that.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : kEndingSignals) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace firn

#endif  // FIRN_VMM_SIGNALS_BLOCKED_H_
