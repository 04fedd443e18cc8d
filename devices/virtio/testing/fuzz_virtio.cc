// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/testing/fuzz_virtio.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/log/check.h"
#include "devices/virtio/testing/mmio_driver.h"

namespace firn::virtio::testing {
namespace {

using firn::testing::FuzzInput;

// In guest memory more often than not, so that the input gets far.
uint64_t TakeAddress(FuzzInput& input) {
  const uint8_t kind = input.Take<uint8_t>();
  if (kind < 16) return input.Take<uint64_t>();
  const uint64_t base = kind < 64 ? kMemoryBase : kBufferBase;
  return base + input.Take<uint16_t>();
}

uint32_t TakeLength(FuzzInput& input) {
  const uint8_t kind = input.Take<uint8_t>();
  if (kind < 8) return input.Take<uint32_t>();
  constexpr uint32_t kUsual[] = {1, 16, 17, 32, 512, 513, 1024, 4096};
  return kUsual[kind % 8];
}

Descriptor TakeDescriptor(FuzzInput& input) {
  return {.address = TakeAddress(input),
          .length = TakeLength(input),
          .flags = static_cast<uint16_t>(input.Take<uint8_t>() & 7),
          .next = input.Take<uint8_t>()};
}

// A chain in the right order, with contents where the first buffers are.
void AddChain(MmioDriver& driver, DriverQueue& queue, FuzzInput& input) {
  std::vector<Buffer> buffers(1 + input.Take<uint8_t>() % 6);
  const size_t readable = input.Take<uint8_t>() % (buffers.size() + 1);
  for (size_t i = 0; i < buffers.size(); ++i) {
    buffers[i] = {TakeAddress(input), TakeLength(input), i >= readable};
  }
  const absl::Span<const std::byte> head = input.TakeBytes(16);
  driver.memory().Write(GuestAddress(buffers[0].address), head).IgnoreError();
  if (input.Take<uint8_t>() & 1) {
    queue.AddIndirect(buffers, kBufferBase + input.Take<uint16_t>());
  } else {
    queue.Add(buffers);
  }
}

// Goes on from a state with fields of the fuzzer's, where it is taken.
void SaveAndRestore(MmioDriver& driver, VirtioDevice& device, FuzzInput& input) {
  state::VirtioMmio state = driver.transport().Save();
  if (!firn::testing::FuzzState(state, input)) return;
  const uint8_t queue = input.Take<uint8_t>();
  if (queue < state.queues_size() &&
      !firn::testing::FuzzState(*state.mutable_queues(queue), input)) {
    return;
  }
  if (!driver.RestoreTransport(device, state).ok()) return;
  // What the driver reads follows from the state.
  const std::string window = driver.ReadWindow();
  CHECK_OK(driver.RestoreTransport(device, driver.transport().Save()));
  CHECK(window == driver.ReadWindow());
  for (size_t i = 0; i < driver.transport().queue_count(); ++i) driver.transport().OnQueueEvent(i);
}

}  // namespace

void FuzzVirtio(VirtioDevice& device, FuzzInput& input, absl::FunctionRef<void()> host_event) {
  MmioDriver driver(device);
  const uint32_t queues = static_cast<uint32_t>(device.queue_sizes().size());
  bool started = false;
  while (!input.empty()) {
    const uint8_t operation = input.Take<uint8_t>();
    const uint32_t index = input.Take<uint8_t>() % queues;
    switch (operation % 11) {
      case 0:
        firn::testing::FuzzAccess(driver.transport(), kMmioSize, input);
        break;
      case 1: {
        const GuestAddress address(TakeAddress(input));
        driver.memory().Write(address, input.TakeBytes(input.Take<uint8_t>())).IgnoreError();
        break;
      }
      case 2:
        driver.Write(MmioRegister::kStatus, 0);
        driver.Start(input.Take<uint64_t>() & driver.OfferedFeatures(),
                     static_cast<uint16_t>(1 << input.Take<uint8_t>() % 8));
        started = true;
        break;
      case 3:
        driver.SetUpQueue(index, {.size = input.Take<uint16_t>(),
                                  .descriptor_table = TakeAddress(input),
                                  .avail_ring = TakeAddress(input),
                                  .used_ring = TakeAddress(input),
                                  .ready = true});
        break;
      case 4:
        driver.Kick(index);
        break;
      case 5:
        host_event();
        break;
      case 6:
        SaveAndRestore(driver, device, input);
        break;
      default:
        if (!started) break;
        switch (operation % 11) {
          case 7:
            driver.queue(index).SetDescriptor(
                static_cast<uint16_t>(input.Take<uint8_t>() % driver.queue(index).size()),
                TakeDescriptor(input));
            driver.queue(index).MakeAvailable(input.Take<uint8_t>());
            break;
          case 8:
            driver.queue(index).SetAvailIndex(input.Take<uint16_t>());
            break;
          default:
            AddChain(driver, driver.queue(index), input);
            driver.Kick(index);
            break;
        }
    }
  }
}

}  // namespace firn::virtio::testing
