// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Takes the bytes of a fuzzer apart.
#ifndef FIRN_DEVICES_TESTING_FUZZ_INPUT_H_
#define FIRN_DEVICES_TESTING_FUZZ_INPUT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/types/span.h"
#include "devices/mmio_device.h"

namespace firn::testing {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size)
      : left_(reinterpret_cast<const std::byte*>(data), size) {}

  bool empty() const { return left_.empty(); }

  // Zeroes behind the end.
  template <typename T>
  T Take() {
    T value{};
    const absl::Span<const std::byte> bytes = TakeBytes(sizeof(T));
    if (!bytes.empty()) memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  // `size` bytes, or as many as there are.
  absl::Span<const std::byte> TakeBytes(size_t size) {
    const absl::Span<const std::byte> bytes = left_.first(std::min(size, left_.size()));
    left_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  absl::Span<const std::byte> left_;
};

// One access of a guest to a window of `size` bytes: the bus lets through what lies inside of it.
inline void FuzzAccess(MmioDevice& device, uint64_t size, FuzzInput& input) {
  const uint8_t kind = input.Take<uint8_t>();
  const size_t width = size_t{1} << (kind & 3);
  uint64_t offset = input.Take<uint16_t>() % (size - width + 1);
  if (kind & 4) offset &= ~uint64_t{3};
  std::array<std::byte, 8> data{};
  const absl::Span<const std::byte> bytes = input.TakeBytes(width);
  std::copy(bytes.begin(), bytes.end(), data.begin());
  if (kind & 8) {
    device.Read(offset, absl::MakeSpan(data).first(width));
  } else {
    device.Write(offset, absl::MakeSpan(data).first(width));
  }
}

// `state`, a message of a component's State, with fields of the fuzzer's, which override or repeat
// those that are there; or the fuzzer's fields alone. False where that is no message at all.
template <typename State>
bool FuzzState(State& state, FuzzInput& input) {
  std::string bytes;
  const uint8_t kind = input.Take<uint8_t>();
  if (kind % 4 != 0) bytes = state.SerializeAsString();
  const absl::Span<const std::byte> more = input.TakeBytes(kind / 4);
  bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
  return state.ParseFromString(bytes);
}

}  // namespace firn::testing

#endif  // FIRN_DEVICES_TESTING_FUZZ_INPUT_H_
