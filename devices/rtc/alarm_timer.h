// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What wakes a device at a second of its WallClock: the host's timers, or the guest's time where a
// run must repeat.
#ifndef FIRN_DEVICES_RTC_ALARM_TIMER_H_
#define FIRN_DEVICES_RTC_ALARM_TIMER_H_

#include <cstdint>
#include <optional>

namespace firn {

class AlarmTimer {
 public:
  virtual ~AlarmTimer() = default;

  // The device is woken once the clock tells `seconds` or more, or was set; a wake too many does no
  // harm. Replaces the second set before; nothing: none. From any thread, with the device's lock
  // held: never calls back.
  virtual void Set(std::optional<int64_t> seconds) = 0;
};

}  // namespace firn

#endif  // FIRN_DEVICES_RTC_ALARM_TIMER_H_
