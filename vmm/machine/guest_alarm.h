// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Wakes the guest's RTC at a second of the clock of guest_wall_clock.h, through a file descriptor
// for the event loop.
#ifndef FIRN_VMM_MACHINE_GUEST_ALARM_H_
#define FIRN_VMM_MACHINE_GUEST_ALARM_H_

#include <memory>

#include "absl/status/statusor.h"
#include "devices/rtc/alarm_timer.h"
#include "hypervisor/vm.h"

namespace firn {

class GuestAlarm : public AlarmTimer {
 public:
  // Readable when the second has come or the clock was set, until Take.
  virtual int fd() const = 0;
  virtual void Take() = 0;
};

// A timerfd on the host's clock, or for a deterministic machine `vm`'s counter alarm. `vm` outlives
// every call of the result's Set. Errors: those of timerfd_create, of eventfd and of the VM.
absl::StatusOr<std::unique_ptr<GuestAlarm>> MakeGuestAlarm(Vm& vm, bool is_deterministic);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_GUEST_ALARM_H_
