// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/guest_wall_clock.h"

#include <time.h>

namespace firn {
namespace {

class HostWallClock final : public WallClock {
 public:
  int64_t Seconds() override { return time(nullptr); }
};

class CounterWallClock final : public WallClock {
 public:
  explicit CounterWallClock(const Vm& vm) : vm_(vm) {}
  int64_t Seconds() override {
    return kDeterministicEpoch + static_cast<int64_t>(vm_.Counter() / vm_.CounterFrequency());
  }

 private:
  const Vm& vm_;
};

}  // namespace

std::unique_ptr<WallClock> MakeWallClock(const Vm& vm, bool is_deterministic) {
  if (is_deterministic) return std::make_unique<CounterWallClock>(vm);
  return std::make_unique<HostWallClock>();
}

}  // namespace firn
