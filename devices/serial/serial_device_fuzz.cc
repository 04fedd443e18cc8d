// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any register access, with input from the host in between.
#include <array>

#include "devices/serial/serial_device.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/fuzz_input.h"
#include "devices/testing/string_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  firn::testing::FuzzInput input(data, size);
  firn::testing::StringSink output;
  firn::testing::CountingInterruptLine interrupt;
  firn::SerialDevice device(output, interrupt);
  while (!input.empty()) {
    if (input.Take<uint8_t>() < 32) {
      const std::array<std::byte, 300> text{};
      device.OfferInput(absl::MakeConstSpan(text).first(input.Take<uint16_t>() % text.size()));
    } else {
      firn::testing::FuzzAccess(device, 16, input);
    }
  }
  return 0;
}
