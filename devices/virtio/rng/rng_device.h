// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Random bytes for the guest (virtio 1.2 section 5.4). One queue; no features, no configuration.
#ifndef FIRN_DEVICES_VIRTIO_RNG_RNG_DEVICE_H_
#define FIRN_DEVICES_VIRTIO_RNG_RNG_DEVICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/virtio/rng/entropy_source.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio {

class RngDevice final : public VirtioDevice {
 public:
  // A request gets this many bytes at most, however many it asks for.
  static constexpr size_t kMaxBytes = 65536;

  // `entropy` outlives the device and is used under its lock.
  explicit RngDevice(EntropySource& entropy) : entropy_(entropy) {}

  DeviceType type() const override { return DeviceType::kEntropy; }
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
  static constexpr std::array<uint16_t, 1> kQueueSizes = {64};

  absl::StatusOr<uint32_t> Serve(const DescriptorChain& chain)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EntropySource& entropy_;
  mutable absl::Mutex mutex_;
  ActiveQueues queues_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_RNG_RNG_DEVICE_H_
