// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_IOEVENTFD and KVM_IRQFD: eventfds in place of exits and ioctls. And the counter's alarm.
// Source: Linux Documentation/virt/kvm/api.rst sections 4.59 and 4.75.
#ifndef FIRN_HYPERVISOR_SOFTWARE_EVENT_FDS_H_
#define FIRN_HYPERVISOR_SOFTWARE_EVENT_FDS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/file_descriptor.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/vm.h"

namespace firn::software {

// Guest stores that signal an eventfd. Thread rules: one thread at a time.
class IoEventFds {
 public:
  // Errors: EINVAL (length, not an eventfd), EBADF, EEXIST (the same store is taken), ENOENT
  // (deassign).
  absl::Status Register(const IoEventFd& config);
  // True, and the eventfd is signalled, where one takes this store.
  bool Signal(GuestAddress address, uint32_t size, uint64_t value);

 private:
  struct Entry {
    uint32_t length;
    std::optional<uint64_t> datamatch;
    FileDescriptor fd;
    int user_fd;  // the number that it was registered by
  };

  std::unordered_map<uint64_t, std::vector<Entry>> entries_;
};

// An eventfd that is signalled at a moment of the counter. Thread rules: one thread at a time.
class AlarmFd {
 public:
  // Errors: EBADF, EINVAL (not an eventfd); then the former alarm stays.
  absl::Status Set(const std::optional<CounterAlarm>& alarm);
  // When; nothing without an alarm.
  std::optional<uint64_t> counter() const { return counter_; }
  // Signals the eventfd and ends the alarm.
  void Ring();

 private:
  std::optional<uint64_t> counter_;
  FileDescriptor fd_;  // held from the first alarm on, so that a further one with it cannot fail
  int user_fd_ = -1;   // the number that it was set by
};

// Eventfds that raise interrupts, and the wait for them. Thread rules: Wait and Wake from any
// thread; the rest one thread at a time.
class IrqFds {
 public:
  // Called with the GSI of a signalled irqfd, and whether it has a resample fd.
  using Handler = std::function<void(uint32_t gsi, bool resample)>;

  static absl::StatusOr<IrqFds> Create();

  // Errors: EBADF, EBUSY (the fd is registered), EINVAL (not an eventfd).
  absl::Status Register(const IrqFd& config);
  // Hands every irqfd that was signalled since the last call to `handler`.
  void Poll(const Handler& handler);
  // The guest deactivated interrupt `gsi`: signals its resample fds. True where it has any.
  bool Resample(uint32_t gsi);

  // Blocks until an irqfd is signalled, Wake is called, or `nanoseconds` have passed (nothing:
  // no limit).
  void Wait(std::optional<uint64_t> nanoseconds);
  void Wake() const { wake_.Signal(); }

 private:
  struct Entry {
    FileDescriptor fd;
    FileDescriptor resample_fd;
    uint32_t gsi;
  };

  IrqFds(FileDescriptor epoll, EventFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  FileDescriptor epoll_;
  EventFd wake_;
  std::unordered_map<int, Entry> entries_;  // by the number that they were registered by
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_EVENT_FDS_H_
