// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/guest_console.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace firn {

void GuestConsole::Write(absl::Span<const std::byte> data) {
  // `data` may be guest memory, which changes while it is looked at.
  std::array<std::byte, 512> copy;
  bool halted = false;
  while (!data.empty()) {
    const absl::Span<const std::byte> piece = data.first(std::min(data.size(), copy.size()));
    std::memcpy(copy.data(), piece.data(), piece.size());
    data.remove_prefix(piece.size());
    // Guest memory may have been lost, and zeros read in its place.
    if (muted_) return;
    if (output_ != nullptr) output_->Write(absl::MakeConstSpan(copy).first(piece.size()));
    absl::MutexLock lock(&mutex_);
    halted = watch_.Feed({reinterpret_cast<const char*>(copy.data()), piece.size()}) || halted;
  }
  if (halted) on_halt_();
}

std::string GuestConsole::panic_reason() const {
  absl::MutexLock lock(&mutex_);
  if (!watch_.panicked()) return "";
  return watch_.reason();
}

}  // namespace firn
