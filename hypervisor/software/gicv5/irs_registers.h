// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The register map of the IRS CONFIG frame, as data (gicv5-reference 3.2).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_REGISTERS_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_REGISTERS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace firn::software::gicv5 {

// How the virtual IRS treats a register; the ones with behaviour have a name of their own.
enum class IrsRegister : uint8_t {
  kIdr0,
  kIdr1,
  kIdr2,
  kIdr5,
  kIdr6,
  kIdr7,
  kCr0,
  kCr1,
  kSpiSelr,
  kSpiDomainr,
  kSpiCfgr,
  kSpiStatusr,
  kPeSelr,
  kPeStatusr,
  kPeCr0,
  kIstBaser,
  kIstCfgr,
  kIdleStatusr,  // a status that is always IDLE and nothing else
  kConstant,     // reads `constant`, ignores writes
};

struct IrsRegisterInfo {
  const char* name;
  uint16_t offset;
  uint8_t width;  // bytes: 4 or 8
  IrsRegister kind;
  uint32_t constant = 0;
};

inline constexpr uint64_t kIrsFrameSize = 0x10000;

// The whole map, by offset: 52 registers of the IRS, then the CoreSight ID registers.
absl::Span<const IrsRegisterInfo> IrsRegisterMap();
inline constexpr int kIrsFunctionalRegisters = 52;

// The register that byte `offset` of the frame belongs to, or null.
const IrsRegisterInfo* FindIrsRegister(uint64_t offset);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_REGISTERS_H_
