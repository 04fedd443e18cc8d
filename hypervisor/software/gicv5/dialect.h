// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which of VGICv5's user-space interfaces a kernel speaks (gicv5-reference 1.1).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_DIALECT_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_DIALECT_H_

namespace firn::software::gicv5 {

enum class Dialect {
  kPpiOnly,   // (a) Linux 7.1 to 7.3
  kSeriesV1,  // (b) as first posted, 27 April 2026: the write of IST_BASER allocates
  kSeriesV2,  // (b) second posting, 21 May 2026
  kMerged,    // (c) merged for Linux 7.4
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_DIALECT_H_
