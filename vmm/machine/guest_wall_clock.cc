// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/guest_wall_clock.h"

#include <time.h>

#include <limits>

namespace firn {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

class HostWallClock final : public WallClock {
 public:
  // time(2) tells the last tick's second: a timer for a second would find it too early.
  int64_t Nanoseconds() override {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * kNanosecondsPerSecond + now.tv_nsec;
  }
};

class CounterWallClock final : public WallClock {
 public:
  explicit CounterWallClock(const Vm& vm) : vm_(vm) {}
  int64_t Nanoseconds() override {
    const unsigned __int128 since =
        static_cast<unsigned __int128>(vm_.Counter()) * kNanosecondsPerSecond;
    return kDeterministicEpoch * kNanosecondsPerSecond +
           static_cast<int64_t>(since / vm_.CounterFrequency());
  }

 private:
  const Vm& vm_;
};

}  // namespace

std::unique_ptr<WallClock> MakeWallClock(const Vm& vm, bool is_deterministic) {
  if (is_deterministic) return std::make_unique<CounterWallClock>(vm);
  return std::make_unique<HostWallClock>();
}

uint64_t CounterAt(int64_t seconds, uint64_t frequency) {
  if (seconds <= kDeterministicEpoch) return 0;
  uint64_t counter = 0;
  const uint64_t since = static_cast<uint64_t>(seconds) - uint64_t{kDeterministicEpoch};
  return __builtin_mul_overflow(since, frequency, &counter) ? std::numeric_limits<uint64_t>::max()
                                                            : counter;
}

}  // namespace firn
