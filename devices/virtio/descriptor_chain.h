// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One request of the driver: buffers that it wants read, then buffers that it wants written
// (virtio 1.2 sections 2.6 and 2.7.4).
#ifndef FIRN_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_
#define FIRN_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "devices/virtio/split_rings.h"
#include "hypervisor/guest_memory.h"

namespace firn::virtio {

// Buffers in host memory. The guest may change the bytes at any time: copy what is decided upon.
struct WritableBuffer {
  GuestAddress address;
  absl::Span<std::byte> bytes;
};
using ReadableBuffers = absl::InlinedVector<absl::Span<const std::byte>, 8>;
using WritableBuffers = absl::InlinedVector<WritableBuffer, 8>;

// A chain that Virtqueue::Pop checked: each buffer is in guest memory and not empty, there are no
// more of them than the queue allows, and all together have less than 4 GiB. Move-only: its one
// owner gives it back with Virtqueue::Return. A chain that is dropped stays with the device for
// ever, as after a reset.
class DescriptorChain {
 public:
  DescriptorChain(DescriptorChain&& other) noexcept
      : head_(std::exchange(other.head_, std::nullopt)),
        readable_(std::move(other.readable_)),
        writable_(std::move(other.writable_)),
        readable_size_(other.readable_size_),
        writable_size_(other.writable_size_) {}
  DescriptorChain& operator=(DescriptorChain&& other) noexcept {
    head_ = std::exchange(other.head_, std::nullopt);
    readable_ = std::move(other.readable_);
    writable_ = std::move(other.writable_);
    readable_size_ = other.readable_size_;
    writable_size_ = other.writable_size_;
    return *this;
  }

  const ReadableBuffers& readable() const { return readable_; }
  const WritableBuffers& writable() const { return writable_; }
  // Bytes of all of them.
  uint32_t readable_size() const { return readable_size_; }
  uint32_t writable_size() const { return writable_size_; }

 private:
  friend class ChainWalker;
  friend class Virtqueue;

  explicit DescriptorChain(uint16_t head) : head_(head) {}

  std::optional<uint16_t> head_;  // nothing: moved from
  ReadableBuffers readable_;
  WritableBuffers writable_;
  uint32_t readable_size_ = 0;
  uint32_t writable_size_ = 0;
};

// Limits that do not come from the chain itself.
struct ChainLimits {
  bool allow_indirect = false;  // VIRTIO_F_INDIRECT_DESC was negotiated
  // Buffers of a chain: the largest queue size that the device offers.
  uint16_t max_buffers = 0;
};

// Follows the chain that starts at `head`, which any guest value may be. InvalidArgument for:
// an index outside of its table, a loop or too many buffers, NEXT with INDIRECT, INDIRECT not
// negotiated or nested, an indirect table of no or not whole descriptors, an empty buffer, a buffer
// outside of guest memory, a readable buffer behind a writable one, 4 GiB or more in all.
absl::StatusOr<DescriptorChain> WalkChain(GuestMemory& memory, const SplitRings& rings,
                                          uint16_t head, const ChainLimits& limits);

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_
