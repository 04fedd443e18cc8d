// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Where the output of a serial port or console goes.
#ifndef FIRN_DEVICES_BYTE_SINK_H_
#define FIRN_DEVICES_BYTE_SINK_H_

#include <cstddef>

#include "absl/types/span.h"

namespace firn {

class ByteSink {
 public:
  virtual ~ByteSink() = default;

  // Called with the device's lock held, from a vCPU thread or the event loop: takes all of `data`,
  // must not block for long and must not call the device. `data` may be guest memory: copy it once.
  virtual void Write(absl::Span<const std::byte> data) = 0;

  // As Write, but never waits for whoever reads: takes what there is room for, from the front, and
  // returns how much. After less than all, the owner of the sink lets the device know when there is
  // room again.
  virtual size_t Offer(absl::Span<const std::byte> data) {
    Write(data);
    return data.size();
  }
};

}  // namespace firn

#endif  // FIRN_DEVICES_BYTE_SINK_H_
