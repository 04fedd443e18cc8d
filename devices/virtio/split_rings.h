// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The three parts of a split queue in guest memory (virtio 1.2 section 2.7): where the driver put
// them, and checked access to what is in them.
#ifndef FIRN_DEVICES_VIRTIO_SPLIT_RINGS_H_
#define FIRN_DEVICES_VIRTIO_SPLIT_RINGS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "devices/virtio/virtio_abi.h"
#include "hypervisor/guest_memory.h"

namespace firn::virtio {

// What the driver wrote to the transport: any value at all, until SplitRings::Create took it.
struct QueueSettings {
  uint32_t size = 0;
  uint64_t descriptor_table = 0;
  uint64_t avail_ring = 0;  // "driver area"
  uint64_t used_ring = 0;   // "device area"
  bool ready = false;

  bool operator==(const QueueSettings&) const = default;
};

// Rings that lie in guest memory. Every access fetches or stores once. One thread at a time,
// besides the guest.
class SplitRings {
 public:
  // InvalidArgument, naming the part: size 0, not a power of two or above `max_size`; a part not
  // aligned (16, 2, 4), not wholly in guest memory, or overlapping another one.
  // `memory` outlives the rings.
  static absl::StatusOr<SplitRings> Create(GuestMemory& memory, const QueueSettings& settings,
                                           uint16_t max_size);

  uint16_t size() const { return size_; }

  // An entry of the descriptor table; `index` is below size().
  Descriptor LoadDescriptor(uint16_t index) const;

  // The available ring. `position` is free-running.
  uint16_t LoadAvailIndex() const;
  uint16_t LoadAvailFlags() const;
  uint16_t LoadAvailEntry(uint16_t position) const;
  uint16_t LoadUsedEvent() const;

  // The used ring. StoreUsedIndex publishes the entries stored before it.
  void StoreUsedFlags(uint16_t flags);
  void StoreUsedEntry(uint16_t position, const UsedElement& element);
  void StoreUsedIndex(uint16_t index);
  void StoreAvailEvent(uint16_t index);

 private:
  SplitRings(GuestMemory& memory, const QueueSettings& settings, uint16_t size);

  uint16_t LoadAvail16(size_t offset) const;
  void StoreUsed16(size_t offset, uint16_t value);

  GuestMemory* memory_;
  uint16_t size_;
  uint64_t used_address_;
  // Host memory of the parts. Guest memory stays mapped as long as `memory_` lives.
  std::byte* descriptors_ = nullptr;
  std::byte* avail_ = nullptr;
  std::byte* used_ = nullptr;
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_SPLIT_RINGS_H_
