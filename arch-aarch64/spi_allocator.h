// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Hands out SPI numbers to devices, from 0 up.
#ifndef FIRN_ARCH_AARCH64_SPI_ALLOCATOR_H_
#define FIRN_ARCH_AARCH64_SPI_ALLOCATOR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace firn {

// The same calls give the same numbers, so that a restored VM's devices keep theirs.
class SpiAllocator {
 public:
  // Numbers 0 to `limit` - 1; both controllers of the Arm family have at least 960 of them.
  explicit SpiAllocator(uint32_t limit = 960) : limit_(limit) {}

  absl::StatusOr<uint32_t> Allocate() {
    if (allocated_ == limit_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("all ", limit_, " SPIs are in use: remove some devices"));
    }
    return allocated_++;
  }

  // What InterruptControllerConfig::spis asks for.
  uint32_t allocated() const { return allocated_; }

 private:
  const uint32_t limit_;
  uint32_t allocated_ = 0;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_SPI_ALLOCATOR_H_
