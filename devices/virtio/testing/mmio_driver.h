// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A driver of the virtio-mmio transport, for tests.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_
#define FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/virtio/mmio/virtio_mmio.h"
#include "devices/virtio/testing/driver_queue.h"

namespace firn::virtio::testing {

// A transport around `device`, in a memory of MakeMemory, and the steps of section 3.1.1. It reads
// registers as a guest does, as memory.
class MmioDriver {
 public:
  explicit MmioDriver(VirtioDevice& device);

  GuestMemory& memory() { return *memory_; }
  VirtioMmio& transport() { return *transport_; }
  firn::testing::CountingInterruptLine& interrupt() { return interrupt_; }

  uint32_t Read(MmioRegister reg);
  // The whole register window.
  std::string ReadWindow() const;
  void Write(MmioRegister reg, uint32_t value);

  uint64_t OfferedFeatures();
  // ACKNOWLEDGE to FEATURES_OK; true where FEATURES_OK stayed.
  bool Negotiate(uint64_t features);
  void SetUpQueue(uint32_t index, const QueueSettings& settings);
  void SetDriverOk();
  // All of these: every queue of the device with `size` entries, or as many as it may have.
  void Start(uint64_t features, uint16_t size = 16);

  // The queues of Start.
  DriverQueue& queue(size_t index) { return *queues_[index]; }
  // What a snapshot has of a machine with this one device: the transport's state and guest memory,
  // where the driver's own knowledge is as well. And what the driver can read, which is no part of
  // a snapshot: it follows from the state.
  struct Saved {
    std::string state;
    std::shared_ptr<const std::string> memory;  // never null
    std::string window;
    std::vector<DriverQueue> queues;
    bool operator==(const Saved& other) const {
      return state == other.state && window == other.window &&
             (memory == other.memory || *memory == *other.memory);
    }
  };
  Saved Save();
  // Memory, then a new transport around `device`, then a look at every queue, as the owner does it.
  // On an error, all is as before.
  absl::Status Restore(VirtioDevice& device, const Saved& saved);
  // The transport alone, without the look.
  absl::Status RestoreTransport(VirtioDevice& device, const state::VirtioMmio& state);

  // Rings through the ioeventfd path.
  void Kick(uint32_t queue);

 private:
  // Guest memory as it is. The one of the last time where nothing has changed: copies of it are
  // most of what a test costs that saves and restores a thousand times.
  std::shared_ptr<const std::string> SaveMemory();
  void RestoreMemory(const std::shared_ptr<const std::string>& saved);

  std::unique_ptr<GuestMemory> memory_;
  std::shared_ptr<const std::string> saved_memory_;
  std::unique_ptr<GuestMemory> register_memory_;
  firn::testing::CountingInterruptLine interrupt_;
  std::unique_ptr<VirtioMmio> transport_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
};

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_
