// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A hostile driver of the console, with input from the host in between, and output that has to
// wait.
#include <array>

#include "absl/log/globals.h"
#include "devices/testing/string_sink.h"
#include "devices/virtio/console/console_device.h"
#include "devices/virtio/testing/fuzz_virtio.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::SetMinLogLevel(absl::LogSeverityAtLeast::kFatal);
  firn::testing::FuzzInput input(data, size);
  firn::testing::StringSink output;
  firn::virtio::ConsoleDevice device(output);
  firn::virtio::testing::FuzzVirtio(device, input, [&] {
    const std::array<std::byte, 40> text{};
    device.OfferInput(absl::MakeConstSpan(text).first(input.Take<uint8_t>() % text.size()));
    output.text.clear();
    output.room = input.Take<uint8_t>();
    device.OnQueueNotify(firn::virtio::ConsoleDevice::kTransmitQueue);
  });
  return 0;
}
