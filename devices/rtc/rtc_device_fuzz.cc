// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any register access, at any time of day, and any State to go on from.
#include <cstdlib>
#include <memory>
#include <utility>

#include "devices/rtc/rtc_device.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/fuzz_input.h"

namespace {

class FuzzClock final : public firn::WallClock {
 public:
  int64_t Nanoseconds() override { return now * 1'000'000'000; }
  int64_t now = 0;
};

class FuzzTimer final : public firn::AlarmTimer {
 public:
  void Set(std::optional<int64_t>) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  firn::testing::FuzzInput input(data, size);
  FuzzClock clock;
  firn::testing::CountingInterruptLine interrupt;
  FuzzTimer timer;
  auto device = std::make_unique<firn::RtcDevice>(clock, &interrupt, &timer);
  while (!input.empty()) {
    const uint8_t operation = input.Take<uint8_t>() % 8;
    if (operation == 0) {
      firn::state::Rtc state = device->Save();
      if (!firn::testing::FuzzState(state, input)) continue;
      auto restored = firn::RtcDevice::Restore(clock, &interrupt, &timer, state);
      if (!restored.ok()) continue;
      device = *std::move(restored);
      if (!firn::RtcDevice::Restore(clock, &interrupt, &timer, device->Save()).ok()) abort();
    } else if (operation < 3) {
      clock.now = input.Take<int64_t>() % 9'000'000'000;  // what nanoseconds in 64 bits reach
      device->CheckAlarm();
    } else {
      firn::testing::FuzzAccess(*device, firn::kRtcSize, input);
    }
  }
  return 0;
}
