// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A driver of the virtio-mmio transport, for tests, and an interrupt line that counts.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_
#define FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "devices/interrupt_line.h"
#include "devices/virtio/mmio/virtio_mmio.h"
#include "devices/virtio/testing/driver_queue.h"

namespace firn::virtio::testing {

class CountingInterruptLine final : public InterruptLine {
 public:
  void Trigger() override { ++count_; }
  int count() const { return count_; }

 private:
  std::atomic<int> count_ = 0;
};

// A transport around `device`, in a memory of MakeMemory, and the steps of section 3.1.1.
class MmioDriver {
 public:
  explicit MmioDriver(VirtioDevice& device);

  GuestMemory& memory() { return *memory_; }
  VirtioMmio& transport() { return *transport_; }
  CountingInterruptLine& interrupt() { return interrupt_; }

  uint32_t Read(MmioRegister reg);
  void Write(MmioRegister reg, uint32_t value);

  uint64_t OfferedFeatures();
  // ACKNOWLEDGE to FEATURES_OK; true where FEATURES_OK stayed.
  bool Negotiate(uint64_t features);
  void SetUpQueue(uint32_t index, const QueueSettings& settings);
  void SetDriverOk();
  // All of these: every queue of the device with `size` entries.
  void Start(uint64_t features, uint16_t size = 16);

  // The queues of Start.
  DriverQueue& queue(size_t index) { return *queues_[index]; }
  // Rings through the ioeventfd path.
  void Kick(uint32_t queue);

 private:
  std::unique_ptr<GuestMemory> memory_;
  CountingInterruptLine interrupt_;
  std::unique_ptr<VirtioMmio> transport_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
};

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_
