// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn {

absl::StatusOr<EventFd> EventFd::Create() {
  FileDescriptor fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.is_valid()) return ErrnoStatus(errno, "eventfd");
  return EventFd(std::move(fd));
}

void EventFd::Signal() const {
  const uint64_t one = 1;
  while (write(fd_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

uint64_t EventFd::Take() const {
  uint64_t count = 0;
  ssize_t size;
  do {
    size = read(fd_.get(), &count, sizeof(count));
  } while (size < 0 && errno == EINTR);
  return size == sizeof(count) ? count : 0;
}

}  // namespace firn
