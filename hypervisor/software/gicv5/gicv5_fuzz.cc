// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Every call of guest, user space and machine in any order: no crash, and always the interrupt
// that the brute-force oracle selects.
#include <cstddef>
#include <cstdint>

#include "hypervisor/software/gicv5/random_operations.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  firn::software::gicv5::DoRandomOperations(absl::MakeConstSpan(data, size));
  return 0;
}
