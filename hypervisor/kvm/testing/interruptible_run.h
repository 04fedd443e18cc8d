// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Vcpu::Run in the place of KVM_RUN: a signal that the calling thread takes ends it.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_INTERRUPTIBLE_RUN_H_
#define FIRN_HYPERVISOR_KVM_TESTING_INTERRUPTIBLE_RUN_H_

#include <signal.h>

#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/vcpu.h"

namespace firn::kvm::testing {

// Holds back every signal of the calling thread, as a system call does between its start and the
// moment at which it looks for signals.
class HoldSignals {
 public:
  HoldSignals();
  ~HoldSignals();
  HoldSignals(const HoldSignals&) = delete;
  HoldSignals& operator=(const HoldSignals&) = delete;

  // What the thread had blocked before.
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_;
};

// Thread rules: Run by one thread at a time.
class InterruptibleRun {
 public:
  // `vcpu` outlives the object.
  explicit InterruptibleRun(Vcpu* vcpu);
  ~InterruptibleRun();
  InterruptibleRun(const InterruptibleRun&) = delete;
  InterruptibleRun& operator=(const InterruptibleRun&) = delete;

  // KickedExit: a signal came, since `signals` was made.
  absl::StatusOr<Exit> Run(const HoldSignals& signals);

 private:
  // What the worker has to do, or has done.
  enum class Step { kNothing, kRun, kDone, kQuit };

  void Work();
  bool WaitForSignal(const HoldSignals& signals);

  Vcpu* const vcpu_;
  // Signalled when the worker is done: the caller waits in a system call that signals end.
  const EventFd done_;
  // A kick that found the vCPU on its way out: the next Run's KickedExit is its, not a signal's.
  bool stale_kick_ = false;

  absl::Mutex mutex_;
  Step step_ ABSL_GUARDED_BY(mutex_) = Step::kNothing;
  std::optional<absl::StatusOr<Exit>> result_ ABSL_GUARDED_BY(mutex_);
  std::thread worker_;
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_INTERRUPTIBLE_RUN_H_
