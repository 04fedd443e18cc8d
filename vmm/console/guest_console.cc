// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/guest_console.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace firn {

size_t GuestConsole::Pass(absl::Span<const std::byte> data, bool wait) {
  // `data` may be guest memory, which changes while it is looked at.
  std::array<std::byte, 512> copy;
  bool halted = false, is_full = false;
  size_t passed = 0;
  while (passed < data.size() && !is_full) {
    const size_t size = std::min(data.size() - passed, copy.size());
    std::memcpy(copy.data(), data.data() + passed, size);
    // Guest memory may have been lost, and zeros read in its place.
    if (muted_) return data.size();
    const absl::Span<const std::byte> piece = absl::MakeConstSpan(copy).first(size);
    size_t taken = size;
    if (output_ != nullptr && wait) output_->Write(piece);
    if (output_ != nullptr && !wait) taken = output_->Offer(piece);
    passed += taken;
    is_full = taken < size;
    absl::MutexLock lock(&mutex_);
    halted = watch_.Feed({reinterpret_cast<const char*>(copy.data()), taken}) || halted;
  }
  if (halted) on_halt_();
  return passed;
}

std::string GuestConsole::panic_reason() const {
  absl::MutexLock lock(&mutex_);
  if (!watch_.panicked()) return "";
  return watch_.reason();
}

}  // namespace firn
