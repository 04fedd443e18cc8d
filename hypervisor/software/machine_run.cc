// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Machine's run loop: who executes, which CPU, for how long.
#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "hypervisor/software/machine.h"

namespace firn::software {
namespace {

// A CPU's turn, in instructions.
constexpr uint64_t kSlice = 100'000;

}  // namespace

absl::StatusOr<Exit> Machine::Run(uint32_t index) {
  Lock lock(this);
  if (absl::Status status = CheckAlive("KVM_RUN"); !status.ok()) return status;
  Vcpu& vcpu = *vcpus_[index];
  if (gic_ != nullptr) {
    if (absl::Status status = gic_->PrepareRun(index); !status.ok()) return status;
  }
  if (vcpu.cpu->mmio_pending()) vcpu.cpu->CompleteMmio();
  vcpu.has_run = true;
  vcpu.in_run = true;
  const auto has_news = [this, &vcpu]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return vcpu.exit || vcpu.kicked.load() || CanExecute();
  };
  while (true) {
    if (vcpu.exit) {
      vcpu.in_run = false;
      return *std::exchange(vcpu.exit, std::nullopt);
    }
    if (vcpu.kicked.exchange(false)) {
      vcpu.in_run = false;
      return KickedExit{};
    }
    if (CanExecute()) {
      executing_ = true;
      Execute();
      executing_ = false;
    } else {
      vcpu.waits = true;
      mutex_.Await(absl::Condition(&has_news));
      vcpu.waits = false;
    }
  }
}

void Machine::Kick(uint32_t index) {
  vcpus_[index]->kicked.store(true);
  attention_.store(true);
  if (idle_.load()) irq_fds_.Wake();
  // Letting go of the lock makes a waiting Run look at its condition again. Who executes has the
  // lock, maybe for as long as the guest waits for a page of its memory, and looks for kicks before
  // it lets go. Anybody else may be past that point, but lets go soon.
  while (vcpus_[index]->waits && !executing_) {
    if (mutex_.TryLock()) {
      mutex_.Unlock();
      return;
    }
    std::this_thread::yield();
  }
}

bool Machine::CanExecute() const { return !executing_ && !AnyKicked() && AllInRun(); }

bool Machine::AllInRun() const {
  return std::all_of(vcpus_.begin(), vcpus_.end(),
                     [](const auto& vcpu) { return vcpu->in_run && !vcpu->exit; });
}

bool Machine::AnyKicked() const {
  return std::any_of(vcpus_.begin(), vcpus_.end(),
                     [](const auto& vcpu) { return vcpu->kicked.load(); });
}

// Executes until some vCPU has an exit or is kicked.
void Machine::Execute() {
  while (true) {
    attention_.store(false);
    YieldToWaiters();
    // A kicked vCPU may have left while the machine was unlocked.
    if (AnyKicked() || !AllInRun() || ReachedStop()) return;
    if (RingAlarm()) continue;
    PollIrqFds();
    Vcpu* next = PickNext();
    if (next == nullptr) {
      Idle();
    } else if (ExecuteSlice(*next)) {
      return;
    }
  }
}

void Machine::YieldToWaiters() {
  if (waiters_.load() == 0) return;
  mutex_.Await(absl::Condition(
      +[](std::atomic<int>* waiters) { return waiters->load() == 0; }, &waiters_));
}

bool Machine::ReachedStop() {
  if (!instruction_limit_ || clock_.instructions() < *instruction_limit_) return false;
  for (const auto& vcpu : vcpus_) vcpu->exit = InstructionLimitExit{};
  return true;
}

void Machine::ForgetTurns() {
  if (AnyVcpuRunning()) return;
  current_ = 0;
  slice_left_ = 0;
  for (const auto& vcpu : vcpus_) {
    // On hardware every exit does, by the exception return that ends it. Here only what looks at
    // the state: a kick comes at a moment of the host's, and what it changed would not repeat.
    vcpu->cpu->engine_cpu().ClearExclusiveMonitor();
    // KVM_GET_MP_STATE does not tell a CPU that waits from one that runs: it looks for its
    // interrupt once more.
    if (vcpu->cpu->power() == Cpu::Power::kWaiting) vcpu->cpu->set_power(Cpu::Power::kRunnable);
  }
  // Nor do the registers have a fraction of the counter.
  clock_.FinishTick();
}

// The CPU whose turn it is while its turn lasts, else the next that can execute; null when all
// wait for interrupts or are off.
Machine::Vcpu* Machine::PickNext() {
  const auto is_ready = [](Vcpu& vcpu) {
    Cpu& cpu = *vcpu.cpu;
    if (cpu.power() == Cpu::Power::kWaiting && cpu.UpdateInterrupts()) {
      cpu.set_power(Cpu::Power::kRunnable);
    }
    return cpu.power() == Cpu::Power::kRunnable;
  };
  if (slice_left_ > 0 && is_ready(*vcpus_[current_])) return vcpus_[current_].get();
  for (size_t step = 1; step <= vcpus_.size(); ++step) {
    const size_t candidate = (current_ + step) % vcpus_.size();
    if (!is_ready(*vcpus_[candidate])) continue;
    // Others may have stored where it had marked an address, which the engine sees only by the
    // value that is there then.
    if (candidate != current_) vcpus_[candidate]->cpu->engine_cpu().ClearExclusiveMonitor();
    current_ = candidate;
    slice_left_ = kSlice;
    return vcpus_[candidate].get();
  }
  return nullptr;
}

bool Machine::ExecuteSlice(Vcpu& vcpu) {
  const uint64_t before = clock_.instructions();
  uint64_t budget = slice_left_;
  if (instruction_limit_) budget = std::min(budget, *instruction_limit_ - before);
  // In virtual time an instruction is a nanosecond.
  const std::optional<uint64_t> alarm = AlarmTime();
  if (alarm && !clock_.is_real()) budget = std::min(budget, *alarm - clock_.Now());
  const absl::StatusOr<SliceEnd> end = vcpu.cpu->RunSlice(budget);
  const uint64_t executed = clock_.instructions() - before;
  slice_left_ -= std::min(slice_left_, executed);
  if (!end.ok()) {
    vcpu.exit = FailureExit{.reason = kvm::kExitInternalError,
                            .detail = std::string(end.status().message())};
    return true;
  }
  switch (*end) {
    case SliceEnd::kPreempted:
      return false;
    case SliceEnd::kWaiting:
    case SliceEnd::kStopped:
      slice_left_ = 0;
      return false;
    case SliceEnd::kDoorbell:
      Settle();
      return false;
    case SliceEnd::kExit:
      vcpu.exit = vcpu.cpu->TakeExit();
      return true;
  }
  return true;
}

void Machine::Settle() {
  if (settle_) {
    mutex_.Unlock();
    settle_();
    mutex_.Lock();
  }
}

std::optional<uint64_t> Machine::AlarmTime() const {
  if (!alarm_fd_.counter()) return std::nullopt;
  const uint64_t when = clock_.WhenCounterReaches(*alarm_fd_.counter());
  if (when == kNever) return std::nullopt;
  return when;
}

bool Machine::RingAlarm() {
  const std::optional<uint64_t> when = AlarmTime();
  if (!when || *when > clock_.Now()) return false;
  alarm_fd_.Ring();
  Settle();
  return true;
}

// Every CPU waits: time passes until the next timer or alarm, or until something comes from
// outside.
void Machine::Idle() {
  std::optional<uint64_t> deadline = AlarmTime();
  for (const auto& vcpu : vcpus_) {
    if (vcpu->cpu->power() == Cpu::Power::kOff) continue;
    const std::optional<uint64_t> next = vcpu->cpu->NextDeadline();
    if (next) deadline = deadline ? std::min(*deadline, *next) : *next;
  }
  if (deadline && !clock_.is_real()) {
    clock_.SkipTo(*deadline);
    return;
  }
  std::optional<uint64_t> delay;
  if (deadline) {
    const uint64_t now = clock_.Now();
    delay = *deadline > now ? *deadline - now : 0;
  }
  idle_.store(true);
  mutex_.Unlock();
  // A waiter or a kick that came before idle_ was set did not wake: look once more.
  if (!attention_.load()) irq_fds_.Wait(delay);
  idle_.store(false);
  mutex_.Lock();
}

}  // namespace firn::software
