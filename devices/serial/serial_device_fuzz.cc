// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any register access, with input from the host in between, and any State to go on from.
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "devices/serial/serial_device.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/fuzz_input.h"
#include "devices/testing/string_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  firn::testing::FuzzInput input(data, size);
  firn::testing::StringSink output;
  firn::testing::CountingInterruptLine interrupt;
  auto device = std::make_unique<firn::SerialDevice>(output, interrupt);
  while (!input.empty()) {
    const uint8_t operation = input.Take<uint8_t>();
    if (operation < 16) {
      firn::state::Serial state = device->Save();
      if (!firn::testing::FuzzState(state, input)) continue;
      auto restored = firn::SerialDevice::Restore(output, interrupt, nullptr, state);
      if (!restored.ok()) continue;
      device = *std::move(restored);
      const firn::state::Serial again = device->Save();
      if (!firn::SerialDevice::Restore(output, interrupt, nullptr, again).ok()) abort();
    } else if (operation < 48) {
      const std::array<std::byte, 300> text{};
      device->OfferInput(absl::MakeConstSpan(text).first(input.Take<uint16_t>() % text.size()));
    } else {
      firn::testing::FuzzAccess(*device, 16, input);
    }
  }
  return 0;
}
