// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/vcpu_thread.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/thread.h"

namespace firn {
absl::StatusOr<std::unique_ptr<VcpuThread>> VcpuThread::Start(Vcpu& vcpu,
                                                              VcpuExitHandler& handler) {
  std::unique_ptr<VcpuThread> thread(new VcpuThread(vcpu, handler));
  const absl::StatusOr<pthread_t> started = StartThread(
      absl::StrCat("vcpu", vcpu.id()), absl::StrCat("vCPU ", vcpu.id()), &ThreadMain, thread.get());
  if (!started.ok()) {
    thread->joined_ = true;
    return started.status();
  }
  thread->thread_ = *started;
  return thread;
}

VcpuThread::~VcpuThread() {
  if (joined_) return;
  RequestStop();
  Join();
}

void VcpuThread::SetGoal(Goal goal) {
  {
    absl::MutexLock lock(&mutex_);
    if (goal_ == Goal::kStop) return;
    goal_ = goal;
  }
  // The goal is set first: whoever enters Run after looking at the old goal gets this kick.
  if (goal != Goal::kRun) vcpu_.Kick();
}

void VcpuThread::Resume() { SetGoal(Goal::kRun); }
void VcpuThread::RequestPause() { SetGoal(Goal::kPause); }
void VcpuThread::RequestStop() { SetGoal(Goal::kStop); }

void VcpuThread::WaitUntilPaused() { WaitUntilPaused(absl::InfiniteFuture()); }

bool VcpuThread::WaitUntilPaused(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithDeadline(absl::Condition(&is_paused_), deadline);
}

void VcpuThread::Join() {
  if (std::exchange(joined_, true)) return;
  const int error = pthread_join(thread_, nullptr);
  CHECK_EQ(error, 0) << "pthread_join of a vCPU thread";
}

ExitCounts VcpuThread::exit_counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

void* VcpuThread::ThreadMain(void* self) {
  static_cast<VcpuThread*>(self)->Loop();
  return nullptr;
}

bool VcpuThread::MayRun() const {
  absl::MutexLock lock(&mutex_);
  return goal_ == Goal::kRun;
}

VcpuThread::Goal VcpuThread::WaitWhilePaused(bool done) {
  absl::MutexLock lock(&mutex_);
  is_paused_ = true;
  auto may_go_on = [this, done]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return goal_ == Goal::kStop || (goal_ == Goal::kRun && !done);
  };
  mutex_.Await(absl::Condition(&may_go_on));
  is_paused_ = goal_ == Goal::kStop;
  return goal_;
}

void VcpuThread::Loop() {
  bool started = false;
  bool done = false;
  while (true) {
    if (done || !MayRun()) {
      // Out of the guest: finish the access that it had begun.
      if (started && !done) {
        absl::Status status = vcpu_.CompleteExit();
        if (!status.ok()) done = !HandleExit(status);
      }
      if (WaitWhilePaused(done) == Goal::kStop) return;
      continue;
    }
    if (!std::exchange(started, true)) handler_.OnVcpuStart(vcpu_.id());
    done = !HandleExit(vcpu_.Run());
  }
}

void VcpuThread::PauseItself() {
  absl::MutexLock lock(&mutex_);
  if (goal_ == Goal::kRun) goal_ = Goal::kPause;
}

bool VcpuThread::HandleExit(absl::StatusOr<Exit> exit) {
  bool may_go_on = false;
  const Exit* const known = exit.ok() ? &*exit : nullptr;
  if (const auto* mmio = std::get_if<MmioExit>(known)) {
    ++(mmio->is_write ? counts_.mmio_writes : counts_.mmio_reads);
    handler_.OnMmio(vcpu_.id(), *mmio);
    may_go_on = !handler_.IsHalted();
  } else if (std::get_if<KickedExit>(known) != nullptr) {
    ++counts_.kicks;
    may_go_on = !handler_.IsHalted();
  } else if (std::get_if<SystemEventExit>(known) != nullptr) {
    ++counts_.system_events;
  } else if (std::get_if<InstructionLimitExit>(known) != nullptr) {
    ++counts_.instruction_limits;
    may_go_on = !handler_.IsHalted();
    if (may_go_on) {
      PauseItself();
      handler_.OnInstructionLimit(vcpu_.id());
    }
  } else {
    ++counts_.failures;
  }
  if (!may_go_on) handler_.OnVcpuStopped(vcpu_.id(), std::move(exit));
  return may_go_on;
}

}  // namespace firn
