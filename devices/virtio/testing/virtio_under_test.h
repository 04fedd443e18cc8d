// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A virtio device behind its transport, for SaveRestoreTest: what is left to say is the device, and
// how its driver uses it.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_VIRTIO_UNDER_TEST_H_
#define FIRN_DEVICES_VIRTIO_TESTING_VIRTIO_UNDER_TEST_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "devices/testing/save_restore.h"
#include "devices/virtio/testing/mmio_driver.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio::testing {

// The subclass adds Drive, Clobber and GoOn, and gives the first device to the constructor.
template <typename Device>
class VirtioUnderTest {
 public:
  using Saved = MmioDriver::Saved;

  virtual ~VirtioUnderTest() = default;

  Saved Save() { return driver_.Save(); }
  // With a new device.
  absl::Status Restore(const Saved& saved) {
    std::unique_ptr<Device> device = MakeDevice();
    absl::Status status = driver_.Restore(*device, saved);
    if (status.ok()) device_ = std::move(device);
    return status;
  }
  int interrupts() { return driver_.interrupt().count(); }

  MmioDriver& driver() { return driver_; }
  Device& device() { return *device_; }

 protected:
  explicit VirtioUnderTest(std::unique_ptr<Device> device)
      : device_(std::move(device)), driver_(*device_) {}

  virtual std::unique_ptr<Device> MakeDevice() = 0;

  // What the driver sees of a transport and its queues.
  std::string Look() {
    std::string seen;
    for (const MmioRegister reg :
         {MmioRegister::kStatus, MmioRegister::kInterruptStatus, MmioRegister::kDeviceFeatures,
          MmioRegister::kQueueReady, MmioRegister::kQueueNumMax, MmioRegister::kConfigGeneration}) {
      seen += std::to_string(driver_.Read(reg)) + " ";
    }
    for (size_t i = 0; i < driver_.transport().queue_count(); ++i) {
      const DriverQueue& queue = driver_.queue(i);
      seen += std::to_string(queue.used_index()) + "/" + std::to_string(queue.avail_event()) + "/" +
              std::to_string(queue.used_flags()) + " ";
    }
    return seen;
  }

 private:
  std::unique_ptr<Device> device_;
  MmioDriver driver_;
};

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_VIRTIO_UNDER_TEST_H_
