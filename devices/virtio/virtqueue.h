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

// Where the device is in a queue: what its State has besides the rings, which are guest memory.
// Indices are free-running.
struct QueuePosition {
  uint16_t next_avail = 0;
  uint16_t next_used = 0;
  uint16_t interrupted_used = 0;       // next_used at the last TakeNeedsInterrupt
  bool notifications_enabled = false;  // the used ring asks for a doorbell at next_avail

  bool operator==(const QueuePosition&) const = default;
};

// One thread at a time, under the lock of its device. After an error the queue is not to be
// used any more: the device needs a reset.
class Virtqueue {
 public:
  // `features` are the negotiated ones. `max_size` is the largest size that the device offers.
  // `memory` outlives the queue. A queue that was saved goes on at `position`: any value is safe.
  Virtqueue(GuestMemory& memory, const SplitRings& rings, uint64_t features, uint16_t max_size,
            const QueuePosition& position = {});

  uint16_t size() const { return rings_.size(); }
  const QueuePosition& position() const { return position_; }

  // Nothing to take, and the driver knows all that it is to know: serving the queue would change
  // nothing.
  bool IsIdle() const;

  // The next chain that the driver made available, in its order; nothing when there is none.
  // InvalidArgument for what no driver may do (see WalkChain), and for an available index further
  // ahead than the queue is long.
  absl::StatusOr<std::optional<DescriptorChain>> Pop();

  // Undoes the last Pop, whose chain this is: it will come again, and is then read anew. Before any
  // other call.
  void PutBack(DescriptorChain chain);

  // Gives a chain of this queue back. The device wrote into the first `written` bytes of its
  // writable buffers, at most: those are logged as dirty.
  void Return(DescriptorChain chain, uint32_t written);

  // True where the driver wants an interrupt for what was returned since the last call.
  bool TakeNeedsInterrupt();

  // Asks the driver not to ring while the queue is being looked at anyway, and to ring again.
  // After EnableNotifications, chains may be there for which nobody rang: true says so. Stores to
  // guest memory only where the driver does not know already.
  void DisableNotifications();
  bool EnableNotifications();

 private:
  GuestMemory* memory_;
  SplitRings rings_;
  bool event_index_;
  ChainLimits limits_;
  QueuePosition position_;
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_VIRTQUEUE_H_
