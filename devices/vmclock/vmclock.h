// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// VMClock: tells a guest what time of day it was at one value of its virtual counter, and that this
// has changed, because the guest stood still or is a copy. Whoever wants the wall clock right after
// a restore has it from here, without asking anybody.
// Source: Linux Documentation/devicetree/bindings/ptp/amazon,vmclock.yaml,
// drivers/ptp/ptp_vmclock.c; UAPI Group, VMClock specification.
#ifndef FIRN_DEVICES_VMCLOCK_VMCLOCK_H_
#define FIRN_DEVICES_VMCLOCK_VMCLOCK_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/interrupt_line.h"
#include "devices/vmclock/vmclock_state.pb.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"

namespace firn {

// TAI minus UTC since 2017, in seconds: a guest is told TAI, which has no leap seconds, as the
// specification wants it. The host rarely knows this number (CLOCK_TAI is often CLOCK_REALTIME).
inline constexpr int16_t kTaiOffset = 37;

// What the wall clock told when the guest's virtual counter had a value.
struct VmClockTime {
  uint64_t counter = 0;
  int64_t unix_nanoseconds = 0;  // since 1970-01-01 00:00:00 UTC; not before
};

// One thread.
class VmClock {
 public:
  // The structure lies at the begin of `range` of `memory`, which is shared with the guest and
  // outlives the device, as does `interrupt`. `frequency` is the counter's, in Hz.
  // OutOfRange where `memory` has no such range; InvalidArgument for a frequency below 2.
  static absl::StatusOr<std::unique_ptr<VmClock>> Create(GuestMemory& memory, GuestRange range,
                                                         InterruptLine& interrupt,
                                                         uint64_t frequency, VmClockTime now);
  // Says what the saved one said. Besides: InvalidArgument, naming the field, for a state in which
  // no VMClock can be.
  static absl::StatusOr<std::unique_ptr<VmClock>> Restore(GuestMemory& memory, GuestRange range,
                                                          InterruptLine& interrupt,
                                                          uint64_t frequency,
                                                          const state::VmClock& state);

  // The counter's relation to the wall clock has changed: the guest stood still.
  absl::Status Disrupt(VmClockTime now);
  // And the guest is a copy: `generation` is a value that no other copy has.
  absl::Status Renew(VmClockTime now, uint64_t generation);

  state::VmClock Save() const { return state_; }

 private:
  VmClock(GuestMemory& memory, GuestRange range, InterruptLine& interrupt, uint64_t frequency,
          state::VmClock state)
      : memory_(memory),
        range_(range),
        interrupt_(interrupt),
        frequency_(frequency),
        state_(std::move(state)) {}
  static absl::StatusOr<std::unique_ptr<VmClock>> Make(GuestMemory& memory, GuestRange range,
                                                       InterruptLine& interrupt, uint64_t frequency,
                                                       state::VmClock state);
  void SetTime(VmClockTime now);
  // Writes all of the structure, in the order that readers rely on.
  absl::Status Publish();

  GuestMemory& memory_;
  const GuestRange range_;
  InterruptLine& interrupt_;
  const uint64_t frequency_;
  state::VmClock state_;
};

}  // namespace firn

#endif  // FIRN_DEVICES_VMCLOCK_VMCLOCK_H_
