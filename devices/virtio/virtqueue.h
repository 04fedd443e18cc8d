// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The device's side of a split queue (virtio 1.2 section 2.7).
#ifndef FIRN_DEVICES_VIRTIO_VIRTQUEUE_H_
#define FIRN_DEVICES_VIRTIO_VIRTQUEUE_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "devices/virtio/descriptor_chain.h"
#include "devices/virtio/split_rings.h"
#include "hypervisor/guest_memory.h"

namespace firn::virtio {

// One thread at a time, under the lock of its device. After an error the queue is not to be
// used any more: the device needs a reset.
class Virtqueue {
 public:
  // `features` are the negotiated ones. `max_size` is the largest size that the device offers.
  // `memory` outlives the queue.
  Virtqueue(GuestMemory& memory, const SplitRings& rings, uint64_t features, uint16_t max_size);

  uint16_t size() const { return rings_.size(); }

  // The next chain that the driver made available, in its order; nothing when there is none.
  // InvalidArgument for what no driver may do (see WalkChain), and for an available index further
  // ahead than the queue is long.
  absl::StatusOr<std::optional<DescriptorChain>> Pop();

  // Gives a chain of this queue back. The device wrote into the first `written` bytes of its
  // writable buffers, at most: those are logged as dirty.
  void Return(DescriptorChain chain, uint32_t written);

  // True where the driver wants an interrupt for what was returned since the last call.
  bool TakeNeedsInterrupt();

  // Asks the driver not to ring while the queue is being looked at anyway, and to ring again.
  // After EnableNotifications, chains may be there for which nobody rang: true says so.
  void DisableNotifications();
  bool EnableNotifications();

 private:
  GuestMemory* memory_;
  SplitRings rings_;
  bool event_index_;
  ChainLimits limits_;
  // Free-running positions.
  uint16_t next_avail_ = 0;
  uint16_t next_used_ = 0;
  uint16_t interrupted_used_ = 0;  // next_used_ at the last TakeNeedsInterrupt
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_VIRTQUEUE_H_
