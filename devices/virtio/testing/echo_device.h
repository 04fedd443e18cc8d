// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The simplest device, for tests of the transport: two queues; gives each chain back with all of
// its writable bytes.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_
#define FIRN_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "devices/little_endian.h"
#include "devices/virtio/serve_queue.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio::testing {

class EchoDevice final : public VirtioDevice {
 public:
  static constexpr uint64_t kOwnFeature = 1ull << 5;

  DeviceType type() const override { return DeviceType::kEntropy; }
  uint64_t features() const override { return offered; }
  absl::Span<const uint16_t> queue_sizes() const override { return sizes_; }
  void ReadConfig(uint64_t offset, absl::Span<std::byte> data) const override {
    const uint64_t config = 0x8877'6655'4433'2211;
    CopyFrom(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&config), 8), offset, data);
  }
  void Activate(ActiveQueues queues) override {
    absl::MutexLock lock(&mutex_);
    queues_ = std::move(queues);
    ++activations;
  }
  void Reset() override {
    absl::MutexLock lock(&mutex_);
    queues_ = ActiveQueues();
    ++resets;
  }
  bool OnQueueNotify(uint16_t queue) override {
    absl::MutexLock lock(&mutex_);
    return ServeQueue(queues_, queue, counters_,
                      [](const DescriptorChain& chain) { return chain.writable_size(); });
  }
  std::vector<std::optional<QueuePosition>> QueuePositions() const override {
    absl::MutexLock lock(&mutex_);
    return queues_.positions();
  }
  std::string SaveDevice() const override { return own_state; }
  absl::Status RestoreDevice(std::string_view state, ActiveQueues queues) override {
    if (state == "bad") return absl::InvalidArgumentError("own_state is bad");
    own_state = state;
    absl::MutexLock lock(&mutex_);
    queues_ = std::move(queues);
    return absl::OkStatus();
  }

  // For one thread at a time.
  uint64_t offered = kOwnFeature;
  std::string own_state;
  int activations = 0;
  int resets = 0;

 private:
  const std::array<uint16_t, 2> sizes_ = {16, 8};
  mutable absl::Mutex mutex_;
  ActiveQueues queues_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_
