// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/pvpanic/pvpanic.h"

#include <algorithm>

namespace firn {

void Pvpanic::Read(uint64_t offset, absl::Span<std::byte> data) {
  counters_.requests.Add();
  std::fill(data.begin(), data.end(), std::byte{0});
  if (offset == 0) {
    data[0] = std::byte{kPvpanicPanicked | kPvpanicCrashLoaded};
  } else {
    counters_.errors.Add();
  }
}

void Pvpanic::Write(uint64_t offset, absl::Span<const std::byte> data) {
  counters_.requests.Add();
  constexpr std::byte kKnown{kPvpanicPanicked | kPvpanicCrashLoaded};
  if (offset != 0 || (data[0] & kKnown) == std::byte{0}) {
    counters_.errors.Add();
    return;
  }
  if ((data[0] & std::byte{kPvpanicPanicked}) != std::byte{0}) on_panic_();
}

}  // namespace firn
