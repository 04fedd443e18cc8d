// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Finds the device that an access of a vCPU outside of RAM belongs to.
#ifndef FIRN_DEVICES_MMIO_BUS_H_
#define FIRN_DEVICES_MMIO_BUS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "devices/mmio_device.h"
#include "hypervisor/guest_address.h"

namespace firn {

// Accesses of one device since it was added.
struct MmioAccessCounts {
  std::string name;
  GuestRange range;
  uint64_t reads = 0;
  uint64_t writes = 0;
};

// Thread rules: Add is for one thread, before the vCPUs run; the rest is for any thread and takes
// no lock.
class MmioBus {
 public:
  // `device` outlives the bus. InvalidArgument for an empty range; AlreadyExists, naming the
  // other device, where the range overlaps one that is taken.
  absl::Status Add(std::string_view name, const GuestRange& range, MmioDevice& device);

  // An access that is not wholly inside of one device reads as zero, ignores writes and counts as
  // unmapped.
  void Read(GuestAddress address, absl::Span<std::byte> data);
  void Write(GuestAddress address, absl::Span<const std::byte> data);

  // Ascending by address.
  std::vector<MmioAccessCounts> counts() const;
  uint64_t unmapped_reads() const { return unmapped_reads_.load(std::memory_order_relaxed); }
  uint64_t unmapped_writes() const { return unmapped_writes_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::string name;
    GuestRange range;
    MmioDevice* device;
    std::atomic<uint64_t> reads = 0;
    std::atomic<uint64_t> writes = 0;
  };

  Slot* Find(GuestAddress address, uint64_t size) const;

  // Where each slot ends, ascending, apart from the slots: a lookup searches this array alone.
  std::vector<uint64_t> ends_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<uint64_t> unmapped_reads_ = 0;
  std::atomic<uint64_t> unmapped_writes_ = 0;
};

}  // namespace firn

#endif  // FIRN_DEVICES_MMIO_BUS_H_
