// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// How a device raises its interrupt.
#ifndef FIRN_DEVICES_INTERRUPT_LINE_H_
#define FIRN_DEVICES_INTERRUPT_LINE_H_

#include <utility>

#include "hypervisor/event_fd.h"

namespace firn {

// One edge-triggered interrupt. A device triggers each time that something new happened; edges
// that come before the guest took the first one merge.
class InterruptLine {
 public:
  virtual ~InterruptLine() = default;

  // From any thread, with any lock held; never blocks and never calls back.
  virtual void Trigger() = 0;
};

// An interrupt that leaves through an irqfd (Vm::RegisterIrqFd with `fd`).
class EventFdInterruptLine final : public InterruptLine {
 public:
  explicit EventFdInterruptLine(EventFd event) : event_(std::move(event)) {}

  void Trigger() override { event_.Signal(); }
  int fd() const { return event_.fd(); }

 private:
  EventFd event_;
};

}  // namespace firn

#endif  // FIRN_DEVICES_INTERRUPT_LINE_H_
