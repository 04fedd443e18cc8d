// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/guest_alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/log/check.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/file_descriptor.h"
#include "vmm/machine/guest_wall_clock.h"

namespace firn {
namespace {

class HostAlarm final : public GuestAlarm {
 public:
  explicit HostAlarm(FileDescriptor timer) : timer_(std::move(timer)) {}

  int fd() const override { return timer_.get(); }
  void Take() override {
    uint64_t expirations = 0;
    // Nothing there, or ECANCELED: the clock was set. The device looks at the clock anyway.
    while (read(timer_.get(), &expirations, sizeof(expirations)) < 0 && errno == EINTR) {
    }
  }
  void Set(std::optional<int64_t> seconds) override {
    itimerspec time = {};
    if (seconds) {
      time.it_value.tv_sec = std::max<int64_t>(*seconds, 0);
      time.it_value.tv_nsec = 1;  // all zero would be no alarm
    }
    PCHECK(timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &time,
                           nullptr) == 0 ||
           errno == ECANCELED)
        << "timerfd_settime";
  }

 private:
  const FileDescriptor timer_;
};

class CounterAlarmTimer final : public GuestAlarm {
 public:
  CounterAlarmTimer(Vm& vm, EventFd event) : vm_(vm), event_(std::move(event)) {}

  int fd() const override { return event_.fd(); }
  void Take() override { event_.Take(); }
  void Set(std::optional<int64_t> seconds) override {
    std::optional<CounterAlarm> alarm;
    if (seconds) alarm = {.counter = CounterAt(*seconds, vm_.CounterFrequency()), .fd = fd()};
    const absl::Status status = vm_.SetCounterAlarm(alarm);
    CHECK(status.ok()) << status;  // with this eventfd it went well before
  }

 private:
  Vm& vm_;
  const EventFd event_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GuestAlarm>> MakeGuestAlarm(Vm& vm, bool is_deterministic) {
  if (is_deterministic) {
    absl::StatusOr<EventFd> event = EventFd::Create();
    if (!event.ok()) return event.status();
    absl::Status status = vm.SetCounterAlarm(
        CounterAlarm{.counter = std::numeric_limits<uint64_t>::max(), .fd = event->fd()});
    if (!status.ok()) return status;
    return std::make_unique<CounterAlarmTimer>(vm, *std::move(event));
  }
  FileDescriptor timer(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.is_valid()) return ErrnoStatus(errno, "timerfd_create");
  return std::make_unique<HostAlarm>(std::move(timer));
}

}  // namespace firn
