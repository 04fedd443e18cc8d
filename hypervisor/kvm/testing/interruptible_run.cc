// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/interruptible_run.h"

#include <poll.h>

#include <cerrno>
#include <utility>
#include <variant>

#include "absl/log/check.h"

namespace firn::kvm::testing {

HoldSignals::HoldSignals() {
  sigset_t all;
  sigfillset(&all);
  CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, &before_), 0);
}

HoldSignals::~HoldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

InterruptibleRun::InterruptibleRun(Vcpu* vcpu)
    : vcpu_(vcpu), done_([] {
        absl::StatusOr<EventFd> event = EventFd::Create();
        CHECK_OK(event);
        return *std::move(event);
      }()) {
  // The worker is not a thread of the program under test: it takes none of its signals.
  HoldSignals signals;
  worker_ = std::thread([this] { Work(); });
}

InterruptibleRun::~InterruptibleRun() {
  {
    absl::MutexLock lock(&mutex_);
    step_ = Step::kQuit;
  }
  worker_.join();
}

void InterruptibleRun::Work() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return step_ == Step::kRun || step_ == Step::kQuit;
      };
      mutex_.Await(absl::Condition(&has_work));
      if (step_ == Step::kQuit) return;
    }
    absl::StatusOr<Exit> result = vcpu_->Run();
    absl::MutexLock lock(&mutex_);
    result_ = std::move(result);
    step_ = Step::kDone;
    done_.Signal();
  }
}

// False where the worker was done before any signal came.
bool InterruptibleRun::WaitForSignal(const HoldSignals& signals) {
  pollfd done = {.fd = done_.fd(), .events = POLLIN, .revents = 0};
  const int ready = ppoll(&done, 1, nullptr, &signals.before());
  CHECK(ready == 1 || errno == EINTR);
  return ready != 1;
}

absl::StatusOr<Exit> InterruptibleRun::Run(const HoldSignals& signals) {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      step_ = Step::kRun;
    }
    const bool was_signalled = WaitForSignal(signals);
    if (was_signalled) vcpu_->Kick();
    std::optional<absl::StatusOr<Exit>> result;
    {
      absl::MutexLock lock(&mutex_);
      const auto is_done = [this]()
                               ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return step_ == Step::kDone; };
      mutex_.Await(absl::Condition(&is_done));
      result = std::exchange(result_, std::nullopt);
      step_ = Step::kNothing;
    }
    done_.Take();
    const bool is_kick = result->ok() && std::holds_alternative<KickedExit>(**result);
    if (!is_kick) {
      stale_kick_ = stale_kick_ || was_signalled;
      return *std::move(result);
    }
    stale_kick_ = false;
    if (was_signalled) return *std::move(result);
  }
}

}  // namespace firn::kvm::testing
