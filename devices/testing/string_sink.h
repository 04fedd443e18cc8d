// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Collects a device's output, for tests.
#ifndef FIRN_DEVICES_TESTING_STRING_SINK_H_
#define FIRN_DEVICES_TESTING_STRING_SINK_H_

#include <algorithm>
#include <string>

#include "devices/byte_sink.h"

namespace firn::testing {

class StringSink final : public ByteSink {
 public:
  void Write(absl::Span<const std::byte> data) override {
    text.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  size_t Offer(absl::Span<const std::byte> data) override {
    const size_t taken = std::min(data.size(), room);
    room -= taken;
    Write(data.first(taken));
    return taken;
  }
  std::string text;
  size_t room = std::string::npos;  // for Offer
};

}  // namespace firn::testing

#endif  // FIRN_DEVICES_TESTING_STRING_SINK_H_
