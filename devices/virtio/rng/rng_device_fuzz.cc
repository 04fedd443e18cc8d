// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A hostile driver of the entropy device, whose source sometimes fails.
#include <algorithm>

#include "absl/log/globals.h"
#include "devices/virtio/rng/rng_device.h"
#include "devices/virtio/testing/fuzz_virtio.h"

namespace {

class FuzzEntropy final : public firn::EntropySource {
 public:
  absl::Status Fill(absl::Span<std::byte> data) override {
    std::fill(data.begin(), data.end(), std::byte{0x5a});
    return fails ? absl::UnavailableError("no entropy") : absl::OkStatus();
  }
  bool fails = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::SetMinLogLevel(absl::LogSeverityAtLeast::kFatal);
  firn::testing::FuzzInput input(data, size);
  FuzzEntropy entropy;
  firn::virtio::RngDevice device(entropy);
  firn::virtio::testing::FuzzVirtio(device, input, [&] { entropy.fails = !entropy.fails; });
  return 0;
}
