// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Encodings of the AArch64 system registers and system instructions that the software
// hypervisor handles. Source: Arm ARM (DDI 0487) part D, "AArch64 System Register Encoding".
#ifndef FIRN_HYPERVISOR_SOFTWARE_SYSTEM_REGISTERS_H_
#define FIRN_HYPERVISOR_SOFTWARE_SYSTEM_REGISTERS_H_

#include "hypervisor/register_id.h"

namespace firn::software::reg {

inline constexpr SystemRegister kMdscrEl1{2, 0, 0, 2, 2};
inline constexpr SystemRegister kMidrEl1{3, 0, 0, 0, 0};
inline constexpr SystemRegister kMpidrEl1{3, 0, 0, 0, 5};
inline constexpr SystemRegister kSctlrEl1{3, 0, 1, 0, 0};
inline constexpr SystemRegister kCpacrEl1{3, 0, 1, 0, 2};
inline constexpr SystemRegister kTtbr0El1{3, 0, 2, 0, 0};
inline constexpr SystemRegister kTtbr1El1{3, 0, 2, 0, 1};
inline constexpr SystemRegister kTcrEl1{3, 0, 2, 0, 2};
inline constexpr SystemRegister kSpsrEl1{3, 0, 4, 0, 0};
inline constexpr SystemRegister kElrEl1{3, 0, 4, 0, 1};
inline constexpr SystemRegister kAfsr0El1{3, 0, 5, 1, 0};
inline constexpr SystemRegister kAfsr1El1{3, 0, 5, 1, 1};
inline constexpr SystemRegister kEsrEl1{3, 0, 5, 2, 0};
inline constexpr SystemRegister kFarEl1{3, 0, 6, 0, 0};
inline constexpr SystemRegister kParEl1{3, 0, 7, 4, 0};
inline constexpr SystemRegister kMairEl1{3, 0, 10, 2, 0};
inline constexpr SystemRegister kAmairEl1{3, 0, 10, 3, 0};
inline constexpr SystemRegister kVbarEl1{3, 0, 12, 0, 0};
inline constexpr SystemRegister kContextidrEl1{3, 0, 13, 0, 1};
inline constexpr SystemRegister kTpidrEl1{3, 0, 13, 0, 4};
inline constexpr SystemRegister kCntkctlEl1{3, 0, 14, 1, 0};
inline constexpr SystemRegister kCsselrEl1{3, 2, 0, 0, 0};
inline constexpr SystemRegister kCtrEl0{3, 3, 0, 0, 1};
inline constexpr SystemRegister kTpidrEl0{3, 3, 13, 0, 2};
inline constexpr SystemRegister kTpidrroEl0{3, 3, 13, 0, 3};

inline constexpr SystemRegister kCntfrqEl0{3, 3, 14, 0, 0};
inline constexpr SystemRegister kCntpctEl0{3, 3, 14, 0, 1};
inline constexpr SystemRegister kCntvctEl0{3, 3, 14, 0, 2};
inline constexpr SystemRegister kCntpTvalEl0{3, 3, 14, 2, 0};
inline constexpr SystemRegister kCntpCtlEl0{3, 3, 14, 2, 1};
inline constexpr SystemRegister kCntpCvalEl0{3, 3, 14, 2, 2};
inline constexpr SystemRegister kCntvTvalEl0{3, 3, 14, 3, 0};
inline constexpr SystemRegister kCntvCtlEl0{3, 3, 14, 3, 1};
inline constexpr SystemRegister kCntvCvalEl0{3, 3, 14, 3, 2};

// Set up once, at reset; a guest never reaches them.
inline constexpr SystemRegister kHcrEl2{3, 4, 1, 1, 0};
inline constexpr SystemRegister kVttbrEl2{3, 4, 2, 1, 0};
inline constexpr SystemRegister kVtcrEl2{3, 4, 2, 1, 2};
inline constexpr SystemRegister kHpfarEl2{3, 4, 6, 0, 4};
inline constexpr SystemRegister kCnthctlEl2{3, 4, 14, 1, 0};
inline constexpr SystemRegister kScrEl3{3, 6, 1, 1, 0};

// System instructions.
inline constexpr SystemRegister kIcIalluis{1, 0, 7, 1, 0};
inline constexpr SystemRegister kIcIallu{1, 0, 7, 5, 0};
inline constexpr SystemRegister kIcIvau{1, 3, 7, 5, 1};

}  // namespace firn::software::reg

#endif  // FIRN_HYPERVISOR_SOFTWARE_SYSTEM_REGISTERS_H_
