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
  firn::RtcDevice device(clock, &interrupt, &timer);
  while (!input.empty()) {
    if (input.Take<uint8_t>() % 4 == 0) {
      clock.now = input.Take<int64_t>() / 2;  // no clock tells the end of time
      device.CheckAlarm();
    } else {
      firn::testing::FuzzAccess(device, firn::kRtcSize, input);
    }
  }
  return 0;
}
