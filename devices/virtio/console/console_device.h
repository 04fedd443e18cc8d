// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A console with one port (virtio 1.2 section 5.3), without VIRTIO_CONSOLE_F_SIZE and MULTIPORT.
#ifndef FIRN_DEVICES_VIRTIO_CONSOLE_CONSOLE_DEVICE_H_
#define FIRN_DEVICES_VIRTIO_CONSOLE_CONSOLE_DEVICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/byte_sink.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio {

class ConsoleDevice final : public VirtioDevice {
 public:
  // `output` outlives the device; what it has no room for stays in the queue until OnQueueNotify is
  // called for kTransmitQueue. `on_input_room` is called, from any thread and without the device's
  // lock, when OfferInput would take bytes again after it had not taken all: it wakes the event
  // loop and does not itself use the machine.
  explicit ConsoleDevice(ByteSink& output, std::function<void()> on_input_room = nullptr);

  // Section 5.3.2.
  static constexpr size_t kReceiveQueue = 0;
  static constexpr size_t kTransmitQueue = 1;

  // Input for the guest: puts what fits into the buffers that the driver has posted and returns
  // the bytes taken. Nothing is kept here, so nothing grows: the rest is the caller's to keep.
  // Takes nothing before the guest has written something itself: while it sets the port up,
  // Linux's driver posts buffers and throws away what comes in them.
  size_t OfferInput(absl::Span<const std::byte> data);

  DeviceType type() const override { return DeviceType::kConsole; }
  uint64_t features() const override { return 0; }
  absl::Span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  void ReadConfig(uint64_t offset, absl::Span<std::byte> data) const override;
  void Activate(ActiveQueues queues) override;
  void Reset() override;
  bool OnQueueNotify(uint16_t queue) override;
  std::vector<std::optional<QueuePosition>> QueuePositions() const override;
  std::string SaveDevice() const override;
  absl::Status RestoreDevice(std::string_view state, ActiveQueues queues) override;

 private:
  static constexpr std::array<uint16_t, 2> kQueueSizes = {64, 64};

  bool Transmit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False where the output has no room for the rest of the chain.
  bool TransmitChain(const DescriptorChain& chain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The queue for input, where the guest listens.
  Virtqueue* ReceiveQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return guest_has_written_ ? queues_.queue(kReceiveQueue) : nullptr;
  }

  ByteSink& output_;
  const std::function<void()> on_input_room_;
  mutable absl::Mutex mutex_;
  ActiveQueues queues_ ABSL_GUARDED_BY(mutex_);
  bool guest_has_written_ ABSL_GUARDED_BY(mutex_) = false;
  // OfferInput found too little room.
  bool input_waits_ ABSL_GUARDED_BY(mutex_) = false;
  // How much of the chain that comes next the output has taken already.
  uint64_t transmitted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_CONSOLE_CONSOLE_DEVICE_H_
