// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// eventfd(2): how devices and the hypervisor tell each other that something happened.
#ifndef FIRN_HYPERVISOR_EVENT_FD_H_
#define FIRN_HYPERVISOR_EVENT_FD_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

// Every method may be called from any thread.
class EventFd {
 public:
  // Non-blocking and close-on-exec. Errors: those of eventfd(2) (EMFILE, ENFILE, ENOMEM).
  static absl::StatusOr<EventFd> Create();

  // Adds 1 to the counter. A counter at its limit stays there: the reader has not
  // looked yet, so nothing is lost.
  void Signal() const;

  // Takes the counter: how often Signal was called since the last Take; 0 when never.
  uint64_t Take() const;

  int fd() const { return fd_.get(); }

 private:
  explicit EventFd(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace firn

#endif  // FIRN_HYPERVISOR_EVENT_FD_H_
