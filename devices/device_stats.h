// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a device counts for `firn run --stats`.
#ifndef FIRN_DEVICES_DEVICE_STATS_H_
#define FIRN_DEVICES_DEVICE_STATS_H_

#include <atomic>
#include <cstdint>

namespace firn {

// The counters at one moment.
struct DeviceStats {
  uint64_t requests = 0;       // descriptor chains served; characters, register accesses
  uint64_t bytes_read = 0;     // given to the guest
  uint64_t bytes_written = 0;  // taken from the guest
  uint64_t notifications = 0;  // doorbells of the guest
  uint64_t interrupts = 0;     // edges to the guest
  uint64_t errors = 0;         // requests that failed, and what the guest did wrong
};

// A count that any thread may raise.
class Counter {
 public:
  void Add(uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

// Any thread may count and look.
struct DeviceCounters {
  Counter requests;
  Counter bytes_read;
  Counter bytes_written;
  Counter notifications;
  Counter interrupts;
  Counter errors;

  DeviceStats Snapshot() const {
    return {.requests = requests.value(),
            .bytes_read = bytes_read.value(),
            .bytes_written = bytes_written.value(),
            .notifications = notifications.value(),
            .interrupts = interrupts.value(),
            .errors = errors.value()};
  }
};

}  // namespace firn

#endif  // FIRN_DEVICES_DEVICE_STATS_H_
