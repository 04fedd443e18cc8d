// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The time that the guest sees: counters of 62.5 MHz, either computed from the instructions that
// the vCPUs have executed (1 ns each) and the idle time that was skipped, or the host's. The
// virtual and the physical counter have each an offset of the VM.
#ifndef FIRN_HYPERVISOR_SOFTWARE_MACHINE_CLOCK_H_
#define FIRN_HYPERVISOR_SOFTWARE_MACHINE_CLOCK_H_

#include <time.h>

#include <atomic>
#include <cstdint>
#include <limits>

namespace firn::software {

inline constexpr uint64_t kNanosecondsPerTick = 16;
inline constexpr uint64_t kCounterFrequency = 1'000'000'000 / kNanosecondsPerTick;
inline constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// Thread rules: Counter, Now and instructions from any thread; the rest from the one thread that
// executes the machine.
class MachineClock {
 public:
  explicit MachineClock(bool real) : real_(real), start_(real ? HostNanoseconds() : 0) {}

  bool is_real() const { return real_; }

  // Nanoseconds since the machine was made.
  uint64_t Now() const {
    return real_ ? HostNanoseconds() - start_ : instructions() + Load(skipped_);
  }
  // The counters of the guest, in ticks: CNTVCT_EL0 and CNTPCT_EL0.
  uint64_t Counter() const { return HostCounter() - Load(offset_); }
  uint64_t PhysicalCounter() const { return HostCounter() - Load(physical_offset_); }

  // KVM_ARM_SET_COUNTER_OFFSET: subtracted from the host's count, by both.
  void SetOffset(uint64_t offset) {
    offset_.store(offset, std::memory_order_relaxed);
    physical_offset_.store(offset, std::memory_order_relaxed);
  }
  // Makes one of the counters read `value` now.
  void SetCounter(uint64_t value) {
    offset_.store(HostCounter() - value, std::memory_order_relaxed);
  }
  void SetPhysicalCounter(uint64_t value) {
    physical_offset_.store(HostCounter() - value, std::memory_order_relaxed);
  }

  uint64_t instructions() const { return Load(instructions_); }
  // One thread writes, so no atomic addition is needed.
  void AddInstructions(int64_t count) {
    instructions_.store(instructions() + static_cast<uint64_t>(count), std::memory_order_relaxed);
  }

  // When the counter reaches `counter`, as Now() will tell; at once where it has, kNever where
  // that is beyond what Now() can tell. The comparison is that of the timers: unsigned.
  uint64_t WhenCounterReaches(uint64_t counter) const { return When(counter, Load(offset_)); }
  uint64_t WhenPhysicalCounterReaches(uint64_t counter) const {
    return When(counter, Load(physical_offset_));
  }

  // Virtual time only: idle until the counters' next tick, if it is between two.
  void FinishTick() {
    const uint64_t over = Now() % kNanosecondsPerTick;
    if (over != 0) SkipTo(Now() + kNanosecondsPerTick - over);
  }

  // Virtual time only: idle until `when`.
  void SkipTo(uint64_t when) {
    const uint64_t now = Now();
    if (!real_ && when > now) skipped_.store(Load(skipped_) + (when - now));
  }

 private:
  uint64_t HostCounter() const { return Now() / kNanosecondsPerTick; }
  uint64_t When(uint64_t counter, uint64_t offset) const {
    const uint64_t now = Now();
    const uint64_t current = now / kNanosecondsPerTick - offset;
    if (counter <= current) return now;
    uint64_t delay = 0, when = 0;
    if (__builtin_mul_overflow(counter - current, kNanosecondsPerTick, &delay) ||
        __builtin_add_overflow(now - now % kNanosecondsPerTick, delay, &when)) {
      return kNever;
    }
    return when;
  }

  static uint64_t HostNanoseconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }
  static uint64_t Load(const std::atomic<uint64_t>& value) {
    return value.load(std::memory_order_relaxed);
  }

  const bool real_;
  const uint64_t start_;
  std::atomic<uint64_t> instructions_ = 0;
  std::atomic<uint64_t> skipped_ = 0;
  std::atomic<uint64_t> offset_ = 0;
  std::atomic<uint64_t> physical_offset_ = 0;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_MACHINE_CLOCK_H_
