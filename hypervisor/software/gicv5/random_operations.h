// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any sequence of calls to a VGICv5, taken from a string of bytes: for the fuzzer, and for a test
// that holds the model against the brute-force oracle.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_RANDOM_OPERATIONS_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_RANDOM_OPERATIONS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace firn::software::gicv5 {

// Does what `bytes` say on a VM of its own. Crashes (CHECK) where the interrupt that a vCPU
// signals is not the one that BruteForceHighestPending finds, or a save does not restore to itself.
void DoRandomOperations(absl::Span<const uint8_t> bytes);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_RANDOM_OPERATIONS_H_
