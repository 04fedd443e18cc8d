// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What sits behind a range of the MMIO bus.
#ifndef FIRN_DEVICES_MMIO_DEVICE_H_
#define FIRN_DEVICES_MMIO_DEVICE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace firn {

// Thread rules: both methods are called from any vCPU thread, several at a time; a device locks
// itself. `offset` counts from the start of the device's range; offset + data.size() stays
// inside of the range. `data` has 1, 2, 4 or 8 bytes, little-endian, at any alignment: offset and
// size are the guest's. What a device does not know reads as zero and ignores writes.
class MmioDevice {
 public:
  virtual ~MmioDevice() = default;

  // Fills all of `data`.
  virtual void Read(uint64_t offset, absl::Span<std::byte> data) = 0;
  virtual void Write(uint64_t offset, absl::Span<const std::byte> data) = 0;
};

}  // namespace firn

#endif  // FIRN_DEVICES_MMIO_DEVICE_H_
