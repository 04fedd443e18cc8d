// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any register access, at any time of day.
#include "devices/rtc/rtc_device.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/fuzz_input.h"

namespace {

class FuzzClock final : public firn::WallClock {
 public:
  int64_t Seconds() override { return now; }
  int64_t now = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  firn::testing::FuzzInput input(data, size);
  FuzzClock clock;
  firn::testing::CountingInterruptLine interrupt;
  firn::RtcDevice device(clock, &interrupt);
  while (!input.empty()) {
    switch (input.Take<uint8_t>() % 4) {
      case 0:
        clock.now = input.Take<int64_t>();
        device.CheckAlarm();
        break;
      case 1:
        device.SecondsToAlarm();
        break;
      default:
        firn::testing::FuzzAccess(device, firn::kRtcSize, input);
    }
  }
  return 0;
}
