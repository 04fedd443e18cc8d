// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Between register values and the bytes of an MMIO access.
#ifndef FIRN_DEVICES_LITTLE_ENDIAN_H_
#define FIRN_DEVICES_LITTLE_ENDIAN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"

namespace firn {

// The first 8 bytes of `data` at most, zero-extended. firn's hosts are little-endian.
inline uint64_t LoadLittleEndian(absl::Span<const std::byte> data) {
  uint64_t value = 0;
  if (!data.empty()) memcpy(&value, data.data(), std::min(data.size(), sizeof(value)));
  return value;
}

// Fills `data` with `value`, zero-extended or cut off.
inline void StoreLittleEndian(uint64_t value, absl::Span<std::byte> data) {
  std::fill(data.begin(), data.end(), std::byte{0});
  if (!data.empty()) memcpy(data.data(), &value, std::min(data.size(), sizeof(value)));
}

// Fills `data` with the bytes of `source` from `offset` on, and zeroes behind its end.
inline void CopyFrom(absl::Span<const std::byte> source, uint64_t offset,
                     absl::Span<std::byte> data) {
  std::fill(data.begin(), data.end(), std::byte{0});
  if (offset >= source.size()) return;
  const absl::Span<const std::byte> part = source.subspan(offset, data.size());
  std::copy(part.begin(), part.end(), data.begin());
}

}  // namespace firn

#endif  // FIRN_DEVICES_LITTLE_ENDIAN_H_
