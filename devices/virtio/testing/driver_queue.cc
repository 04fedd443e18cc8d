// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/testing/driver_queue.h"

#include "absl/log/check.h"

namespace firn::virtio::testing {
namespace {

constexpr uint64_t kQueueStride = 0x1'0000;

}  // namespace

std::unique_ptr<GuestMemory> MakeMemory() {
  auto memory = GuestMemory::Create({*GuestRange::Create(GuestAddress(kMemoryBase), kMemorySize)});
  CHECK_OK(memory.status());
  return *std::move(memory);
}

std::string ReadString(const GuestMemory& memory, uint64_t address, size_t size) {
  std::string text(size, '\0');
  CHECK_OK(memory.Read(GuestAddress(address),
                       absl::MakeSpan(reinterpret_cast<std::byte*>(text.data()), size)));
  return text;
}

void WriteString(GuestMemory& memory, uint64_t address, std::string_view text) {
  CHECK_OK(memory.Write(
      GuestAddress(address),
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size())));
}

DriverQueue::DriverQueue(GuestMemory& memory, uint16_t size, uint32_t index)
    : memory_(memory), size_(size) {
  const uint64_t base = kMemoryBase + index * kQueueStride;
  settings_ = {.size = size,
               .descriptor_table = base,
               .avail_ring = base + 0x4000,
               .used_ring = base + 0x8000,
               .ready = true};
}

uint16_t DriverQueue::Add(const std::vector<Buffer>& buffers) {
  const uint16_t head = next_descriptor_;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const uint16_t index = next_descriptor_;
    next_descriptor_ = static_cast<uint16_t>((next_descriptor_ + 1) % size_);
    const bool last = i + 1 == buffers.size();
    const int flags = (last ? 0 : kDescriptorNext) | (buffers[i].writable ? kDescriptorWrite : 0);
    SetDescriptor(index, {.address = buffers[i].address,
                          .length = buffers[i].length,
                          .flags = static_cast<uint16_t>(flags),
                          .next = last ? uint16_t{0} : next_descriptor_});
  }
  MakeAvailable(head);
  return head;
}

uint16_t DriverQueue::AddIndirect(const std::vector<Buffer>& buffers, uint64_t table) {
  for (size_t i = 0; i < buffers.size(); ++i) {
    const bool last = i + 1 == buffers.size();
    const int flags = (last ? 0 : kDescriptorNext) | (buffers[i].writable ? kDescriptorWrite : 0);
    CHECK_OK(memory_.Store<Descriptor>(GuestAddress(table + i * sizeof(Descriptor)),
                                       {.address = buffers[i].address,
                                        .length = buffers[i].length,
                                        .flags = static_cast<uint16_t>(flags),
                                        .next = static_cast<uint16_t>(i + 1)}));
  }
  const uint16_t head = next_descriptor_;
  next_descriptor_ = static_cast<uint16_t>((next_descriptor_ + 1) % size_);
  SetDescriptor(head, {.address = table,
                       .length = static_cast<uint32_t>(buffers.size() * sizeof(Descriptor)),
                       .flags = kDescriptorIndirect,
                       .next = 0});
  MakeAvailable(head);
  return head;
}

void DriverQueue::SetDescriptor(uint16_t index, const Descriptor& descriptor) {
  CHECK_OK(
      memory_.Store(GuestAddress(settings_.descriptor_table + uint64_t{16} * index), descriptor));
}

void DriverQueue::MakeAvailable(uint16_t head) {
  CHECK_OK(memory_.Store(
      GuestAddress(settings_.avail_ring + 4 + uint64_t{2} * (avail_index_ % size_)), head));
  SetAvailIndex(static_cast<uint16_t>(avail_index_ + 1));
}

void DriverQueue::SetAvailIndex(uint16_t index) {
  avail_index_ = index;
  CHECK_OK(memory_.StoreRelease(GuestAddress(settings_.avail_ring + 2), index));
}

void DriverQueue::SetAvailFlags(uint16_t flags) {
  CHECK_OK(memory_.StoreRelease(GuestAddress(settings_.avail_ring), flags));
}

void DriverQueue::SetUsedEvent(uint16_t index) {
  CHECK_OK(
      memory_.StoreRelease(GuestAddress(settings_.avail_ring + 4 + uint64_t{2} * size_), index));
}

uint16_t DriverQueue::used_index() const {
  return *memory_.LoadAcquire<uint16_t>(GuestAddress(settings_.used_ring + 2));
}

uint16_t DriverQueue::used_flags() const {
  return *memory_.LoadAcquire<uint16_t>(GuestAddress(settings_.used_ring));
}

uint16_t DriverQueue::avail_event() const {
  return *memory_.LoadAcquire<uint16_t>(
      GuestAddress(settings_.used_ring + 4 + uint64_t{8} * size_));
}

UsedElement DriverQueue::used(uint16_t position) const {
  return *memory_.Load<UsedElement>(
      GuestAddress(settings_.used_ring + 4 + uint64_t{8} * (position % size_)));
}

}  // namespace firn::virtio::testing
