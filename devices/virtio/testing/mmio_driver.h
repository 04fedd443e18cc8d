// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A driver of the virtio-mmio transport, for tests.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_
#define FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "devices/testing/counting_interrupt_line.h"
#include "devices/virtio/mmio/virtio_mmio.h"
#include "devices/virtio/testing/driver_queue.h"

namespace firn::virtio::testing {

// A transport around `device`, in a memory of MakeMemory, and the steps of section 3.1.1.
class MmioDriver {
 public:
  explicit MmioDriver(VirtioDevice& device);

  GuestMemory& memory() { return *memory_; }
  VirtioMmio& transport() { return *transport_; }
  firn::testing::CountingInterruptLine& interrupt() { return interrupt_; }

  uint32_t Read(MmioRegister reg);
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
  // Rings through the ioeventfd path.
  void Kick(uint32_t queue);

 private:
  std::unique_ptr<GuestMemory> memory_;
  firn::testing::CountingInterruptLine interrupt_;
  std::unique_ptr<VirtioMmio> transport_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
};

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_MMIO_DRIVER_H_
