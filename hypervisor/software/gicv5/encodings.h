// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Encodings of the CPU interface: ICC_* registers (gicv5-reference 2.2) and GIC instructions (2.5).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_ENCODINGS_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_ENCODINGS_H_

#include "hypervisor/register_id.h"

namespace firn::software::gicv5 {

inline constexpr SystemRegister kIccApr = {3, 1, 12, 0, 0};
inline constexpr SystemRegister kIccCr0 = {3, 1, 12, 0, 1};
inline constexpr SystemRegister kIccPcr = {3, 1, 12, 0, 2};
inline constexpr SystemRegister kIccHapr = {3, 1, 12, 0, 3};  // dropped from the architecture
inline constexpr SystemRegister kIccPpiHmr0 = {3, 0, 12, 10, 0};
inline constexpr SystemRegister kIccPpiHmr1 = {3, 0, 12, 10, 1};
inline constexpr SystemRegister kIccIdr0 = {3, 0, 12, 10, 2};
inline constexpr SystemRegister kIccHppir = {3, 0, 12, 10, 3};
inline constexpr SystemRegister kIccIcsr = {3, 0, 12, 10, 4};
inline constexpr SystemRegister kIccIaffidr = {3, 0, 12, 10, 5};
inline constexpr SystemRegister kIccPpiEnabler0 = {3, 0, 12, 10, 6};
inline constexpr SystemRegister kIccPpiEnabler1 = {3, 0, 12, 10, 7};
inline constexpr SystemRegister kIccPpiCactiver0 = {3, 0, 12, 13, 0};
inline constexpr SystemRegister kIccPpiCactiver1 = {3, 0, 12, 13, 1};
inline constexpr SystemRegister kIccPpiSactiver0 = {3, 0, 12, 13, 2};
inline constexpr SystemRegister kIccPpiSactiver1 = {3, 0, 12, 13, 3};
inline constexpr SystemRegister kIccPpiCpendr0 = {3, 0, 12, 13, 4};
inline constexpr SystemRegister kIccPpiCpendr1 = {3, 0, 12, 13, 5};
inline constexpr SystemRegister kIccPpiSpendr0 = {3, 0, 12, 13, 6};
inline constexpr SystemRegister kIccPpiSpendr1 = {3, 0, 12, 13, 7};
// n 0..15; register n holds the priorities of PPIs 8n to 8n + 7.
constexpr SystemRegister IccPpiPriorityr(unsigned n) {
  return {3, 0, 12, static_cast<uint8_t>(n < 8 ? 14 : 15), static_cast<uint8_t>(n & 7)};
}

// SYS
inline constexpr SystemRegister kGsbSys = {1, 0, 12, 0, 0};
inline constexpr SystemRegister kGsbAck = {1, 0, 12, 0, 1};
inline constexpr SystemRegister kGicCddis = {1, 0, 12, 1, 0};
inline constexpr SystemRegister kGicCden = {1, 0, 12, 1, 1};
inline constexpr SystemRegister kGicCdpri = {1, 0, 12, 1, 2};
inline constexpr SystemRegister kGicCdaff = {1, 0, 12, 1, 3};
inline constexpr SystemRegister kGicCdpend = {1, 0, 12, 1, 4};
inline constexpr SystemRegister kGicCdrcfg = {1, 0, 12, 1, 5};
inline constexpr SystemRegister kGicCdeoi = {1, 0, 12, 1, 7};
inline constexpr SystemRegister kGicCddi = {1, 0, 12, 2, 0};
inline constexpr SystemRegister kGicCdhm = {1, 0, 12, 2, 1};
// SYSL
inline constexpr SystemRegister kGicrCdia = {1, 0, 12, 3, 0};
inline constexpr SystemRegister kGicrCdnmia = {1, 0, 12, 3, 1};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_ENCODINGS_H_
