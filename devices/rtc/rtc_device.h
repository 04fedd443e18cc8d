// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The PL031 real time clock, with its alarm.
#ifndef FIRN_DEVICES_RTC_RTC_DEVICE_H_
#define FIRN_DEVICES_RTC_RTC_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/device_stats.h"
#include "devices/interrupt_line.h"
#include "devices/mmio_device.h"
#include "devices/rtc/alarm_timer.h"
#include "devices/rtc/rtc_registers.h"
#include "devices/rtc/rtc_state.pb.h"
#include "devices/rtc/wall_clock.h"

namespace firn {

// Bytes of its register page.
inline constexpr uint64_t kRtcSize = 0x1000;

// Thread rules: any thread, any method.
//
// The device has no timer of its own: the owner calls CheckAlarm when `timer` goes off. Without one
// the alarm is noticed when the guest next looks at the device.
class RtcDevice final : public MmioDevice {
 public:
  // `clock` outlives the device, as do `interrupt` and `timer`. Without `interrupt` none is wired.
  RtcDevice(WallClock& clock, InterruptLine* interrupt, AlarmTimer* timer = nullptr);

  // The registers, and the wall clock at the last look at the alarm. Does not look at it now. Any
  // thread, with no access in progress.
  state::Rtc Save() const;
  // A device that goes on where the saved one was: RTCDR follows `clock` with the offset that the
  // guest gave it, wherever `clock` is now. Sets the timer, and raises no interrupt: an alarm that
  // came due since the save goes off at the next CheckAlarm or access. InvalidArgument, naming the
  // field, for a state that no device can be in.
  static absl::StatusOr<std::unique_ptr<RtcDevice>> Restore(WallClock& clock,
                                                            InterruptLine* interrupt,
                                                            AlarmTimer* timer,
                                                            const state::Rtc& state);

  // Raises the interrupt if the alarm went off since the last look; else sets the timer anew, for
  // a clock that was set.
  void CheckAlarm();

  void Read(uint64_t offset, absl::Span<std::byte> data) override;
  void Write(uint64_t offset, absl::Span<const std::byte> data) override;

  DeviceStats stats() const { return counters_.Snapshot(); }

 private:
  struct State {
    uint32_t offset = 0;  // guest's seconds minus the wall clock's, modulo 2^32
    uint32_t match = 0;
    uint32_t load = 0;
    uint32_t checked = 0;  // guest's seconds at the last check of the alarm: RTCDR
    bool interrupt_enabled = false;
    bool interrupt_pending = false;
  };

  void CheckAlarmLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The second of the wall clock at which the interrupt is due; nothing where it is masked or
  // already pending.
  std::optional<int64_t> AlarmTime() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t ReadRegister(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True where the alarm may have moved.
  bool WriteRegister(RtcRegister reg, uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Raise() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WallClock& clock_;
  InterruptLine* const interrupt_;
  AlarmTimer* const timer_;
  DeviceCounters counters_;
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  int64_t wall_seconds_ ABSL_GUARDED_BY(mutex_);  // the clock at the last check
};

}  // namespace firn

#endif  // FIRN_DEVICES_RTC_RTC_DEVICE_H_
