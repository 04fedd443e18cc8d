// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The time of day as a device sees it: the host's, or a made-up one where a run must repeat.
#ifndef FIRN_DEVICES_RTC_WALL_CLOCK_H_
#define FIRN_DEVICES_RTC_WALL_CLOCK_H_

#include <cstdint>

namespace firn {

class WallClock {
 public:
  virtual ~WallClock() = default;

  // Since 1970-01-01 00:00:00 UTC. Any thread.
  virtual int64_t Nanoseconds() = 0;
  // Rounded down.
  int64_t Seconds() {
    constexpr int64_t kPerSecond = 1'000'000'000;
    const int64_t nanoseconds = Nanoseconds();
    return nanoseconds / kPerSecond - (nanoseconds % kPerSecond < 0 ? 1 : 0);
  }
};

}  // namespace firn

#endif  // FIRN_DEVICES_RTC_WALL_CLOCK_H_
