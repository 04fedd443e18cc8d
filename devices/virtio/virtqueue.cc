// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/virtqueue.h"

#include <algorithm>
#include <atomic>

#include "absl/log/check.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace firn::virtio {
namespace {

// Orders a store to one ring before a load from the other one: without it, both sides may decide
// that nobody needs to be told (sections 2.7.7.2 and 2.7.10.2).
void FullBarrier() {
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"  // the thread sanitizer does not see fences
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

}  // namespace

Virtqueue::Virtqueue(GuestMemory& memory, const SplitRings& rings, uint64_t features,
                     uint16_t max_size, const QueuePosition& position)
    : memory_(&memory),
      rings_(rings),
      event_index_((features & kFeatureEventIndex) != 0),
      limits_{.allow_indirect = (features & kFeatureIndirectDescriptors) != 0,
              .max_buffers = max_size},
      position_(position) {}

bool Virtqueue::IsIdle() const {
  return position_.notifications_enabled && position_.next_used == position_.interrupted_used &&
         rings_.LoadAvailIndex() == position_.next_avail;
}

absl::StatusOr<std::optional<DescriptorChain>> Virtqueue::Pop() {
  const uint16_t avail = rings_.LoadAvailIndex();
  if (avail == position_.next_avail) return std::nullopt;
  const uint16_t ahead = static_cast<uint16_t>(avail - position_.next_avail);
  if (ahead > rings_.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the available index is %d ahead in a queue of %d", ahead, rings_.size()));
  }
  absl::StatusOr<DescriptorChain> chain =
      WalkChain(*memory_, rings_, rings_.LoadAvailEntry(position_.next_avail), limits_);
  if (!chain.ok()) return chain.status();
  ++position_.next_avail;
  // The event index is behind now.
  if (event_index_) position_.notifications_enabled = false;
  return *std::move(chain);
}

void Virtqueue::PutBack(DescriptorChain chain) {
  CHECK(chain.head_.has_value()) << "a descriptor chain was returned already";
  --position_.next_avail;
}

void Virtqueue::Return(DescriptorChain chain, uint32_t written) {
  CHECK(chain.head_.has_value()) << "a descriptor chain was returned twice";
  CHECK_LE(written, chain.writable_size_);
  uint64_t left = written;
  for (const WritableBuffer& buffer : chain.writable_) {
    const uint64_t part = std::min<uint64_t>(left, buffer.bytes.size());
    memory_->MarkDirty(buffer.address, part);
    left -= part;
  }
  rings_.StoreUsedEntry(position_.next_used, {.id = *chain.head_, .length = written});
  rings_.StoreUsedIndex(++position_.next_used);
}

bool Virtqueue::TakeNeedsInterrupt() {
  if (position_.next_used == position_.interrupted_used) return false;
  FullBarrier();
  const uint16_t before = std::exchange(position_.interrupted_used, position_.next_used);
  if (!event_index_) return (rings_.LoadAvailFlags() & kAvailNoInterrupt) == 0;
  // Section 2.7.7.2: whether the index passed used_event since the last look.
  const uint16_t event = rings_.LoadUsedEvent();
  return static_cast<uint16_t>(position_.next_used - event - 1) <
         static_cast<uint16_t>(position_.next_used - before);
}

void Virtqueue::DisableNotifications() {
  // With an event index the driver rings at that index only, which is already behind.
  if (event_index_) return;
  rings_.StoreUsedFlags(kUsedNoNotify);
  position_.notifications_enabled = false;
}

bool Virtqueue::EnableNotifications() {
  if (!position_.notifications_enabled) {
    if (event_index_) {
      rings_.StoreAvailEvent(position_.next_avail);
    } else {
      rings_.StoreUsedFlags(0);
    }
    position_.notifications_enabled = true;
  }
  FullBarrier();
  return rings_.LoadAvailIndex() != position_.next_avail;
}

}  // namespace firn::virtio
