// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The driver's side of a split queue, for tests: well-formed by default, and every field can be
// made to be wrong.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_DRIVER_QUEUE_H_
#define FIRN_DEVICES_VIRTIO_TESTING_DRIVER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "devices/virtio/split_rings.h"
#include "devices/virtio/virtio_abi.h"
#include "hypervisor/guest_memory.h"

namespace firn::virtio::testing {

// 1 MiB of guest memory at kMemoryBase. Rings go to its start, buffers to its second half.
inline constexpr uint64_t kMemoryBase = 0x4000'0000;
inline constexpr uint64_t kMemorySize = 0x10'0000;
inline constexpr uint64_t kBufferBase = kMemoryBase + kMemorySize / 2;
std::unique_ptr<GuestMemory> MakeMemory();

std::string ReadString(const GuestMemory& memory, uint64_t address, size_t size);
void WriteString(GuestMemory& memory, uint64_t address, std::string_view text);

struct Buffer {
  uint64_t address = 0;
  uint32_t length = 0;
  bool writable = false;
};

class DriverQueue {
 public:
  // The rings of queue number `index`, each number at its own place in memory.
  DriverQueue(GuestMemory& memory, uint16_t size, uint32_t index = 0);

  const QueueSettings& settings() const { return settings_; }
  uint16_t size() const { return size_; }

  // A chain of these buffers, made available; returns its head.
  uint16_t Add(const std::vector<Buffer>& buffers);
  // The same with one indirect descriptor, its table at `table`.
  uint16_t AddIndirect(const std::vector<Buffer>& buffers, uint64_t table);

  // The pieces, for chains that are wrong.
  void SetDescriptor(uint16_t index, const Descriptor& descriptor);
  void MakeAvailable(uint16_t head);
  void SetAvailIndex(uint16_t index);
  void SetAvailFlags(uint16_t flags);
  void SetUsedEvent(uint16_t index);

  uint16_t avail_index() const { return avail_index_; }
  uint16_t used_index() const;
  uint16_t used_flags() const;
  uint16_t avail_event() const;
  UsedElement used(uint16_t position) const;

 private:
  GuestMemory& memory_;
  uint16_t size_;
  QueueSettings settings_;
  uint16_t avail_index_ = 0;
  uint16_t next_descriptor_ = 0;
};

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_DRIVER_QUEUE_H_
