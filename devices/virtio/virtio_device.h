// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a virtio device is to its transport, and the transport to its device.
#ifndef FIRN_DEVICES_VIRTIO_VIRTIO_DEVICE_H_
#define FIRN_DEVICES_VIRTIO_VIRTIO_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "devices/device_stats.h"
#include "devices/virtio/virtio_abi.h"
#include "devices/virtio/virtqueue.h"

namespace firn::virtio {

// How a device reaches its driver. From any thread, with the device's lock held: calls no device.
class DriverNotifier {
 public:
  virtual ~DriverNotifier() = default;

  // Section 2.9: buffers were used.
  virtual void NotifyUsedBuffers() = 0;
  // Section 2.1.2: sets DEVICE_NEEDS_RESET. `reason` is what the driver did wrong.
  virtual void NotifyNeedsReset(const absl::Status& reason) = 0;
};

// What the driver set up, from DRIVER_OK to the reset. Empty before and after.
class ActiveQueues {
 public:
  ActiveQueues() = default;
  // One element per queue of the device; nothing where the driver does not use it.
  ActiveQueues(uint64_t features, std::vector<std::optional<Virtqueue>> queues,
               DriverNotifier& notifier)
      : features_(features), queues_(std::move(queues)), notifier_(&notifier) {}

  // The negotiated features.
  uint64_t features() const { return features_; }

  // Null where there is no such queue in use, and after Fail.
  Virtqueue* queue(size_t index) {
    if (index >= queues_.size() || !queues_[index]) return nullptr;
    return &*queues_[index];
  }

  // Where the device is in each queue; empty after Fail.
  std::vector<std::optional<QueuePosition>> positions() const {
    std::vector<std::optional<QueuePosition>> positions(queues_.size());
    for (size_t i = 0; i < queues_.size(); ++i) {
      if (queues_[i]) positions[i] = queues_[i]->position();
    }
    return positions;
  }

  // Interrupts the driver if it wants to hear of what `queue` returned.
  void NotifyUsed(Virtqueue& queue) {
    if (queue.TakeNeedsInterrupt()) notifier_->NotifyUsedBuffers();
  }

  // The driver broke the rules: no queue is served until the reset.
  void Fail(const absl::Status& reason) {
    queues_.clear();
    notifier_->NotifyNeedsReset(reason);
  }

 private:
  uint64_t features_ = 0;
  std::vector<std::optional<Virtqueue>> queues_;
  DriverNotifier* notifier_ = nullptr;
};

// Thread rules: every method may be called from any thread; the device locks itself. The transport
// orders Activate and Reset. Identity (type, features, queue_sizes) never changes, and what
// ReadConfig gives does not after RestoreDevice: the guest reads what the transport published.
class VirtioDevice {
 public:
  virtual ~VirtioDevice() = default;

  virtual DeviceType type() const = 0;
  // Bits of the device type; the transport adds kCommonFeatures.
  virtual uint64_t features() const = 0;
  // The largest size of each queue: powers of two.
  virtual absl::Span<const uint16_t> queue_sizes() const = 0;

  // The device configuration space. Any offset and size; what is not there reads as zero.
  virtual void ReadConfig(uint64_t offset, absl::Span<std::byte> data) const = 0;

  // The driver set DRIVER_OK. `queues` stays valid until Reset.
  virtual void Activate(ActiveQueues queues) = 0;

  // Forgets the driver. When it returns, the device touches neither queues nor buffers.
  virtual void Reset() = 0;

  // The driver rang for `queue`, which may be any value, at any time. Serves the queue in this
  // thread, a bounded number of chains; true where more wait: call again.
  virtual bool OnQueueNotify(uint16_t queue) = 0;

  // For the transport's Save: ActiveQueues::positions, and what the device keeps besides, as a
  // serialized message of its own (empty where there is nothing).
  virtual std::vector<std::optional<QueuePosition>> QueuePositions() const = 0;
  virtual std::string SaveDevice() const = 0;

  // Takes what SaveDevice gave, of a device like this one, and in the place of Activate the queues
  // that were in use, at their positions. Does not touch guest memory or notify. On an error
  // nothing is changed: InvalidArgument, naming the field, for a state that no device can be in;
  // FailedPrecondition, saying what differs, where this device is not what the driver knows.
  virtual absl::Status RestoreDevice(std::string_view state, ActiveQueues queues) = 0;

  DeviceCounters& counters() { return counters_; }
  const DeviceCounters& counters() const { return counters_; }

 protected:
  DeviceCounters counters_;
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_VIRTIO_DEVICE_H_
