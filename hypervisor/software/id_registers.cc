// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/id_registers.h"

#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

// A field of an ID register: `value` at bit `shift`.
constexpr uint64_t Field(unsigned shift, uint64_t value) { return value << shift; }

// Hidden: EL2, EL3, AArch32, SVE, SME, pointer authentication, VHE, PMU, RNDR, RAS, MTE, BTI.
constexpr IdRegister kIdRegisters[] = {
    {reg::kMidrEl1, 0x000f0510},
    // ID_AA64PFR0_EL1. CSV2 and CSV3: without them Linux separates page tables of kernel and
    // user, and every switch flushes the TLB.
    {{3, 0, 0, 4, 0},
     Field(0, 1) | Field(4, 1) | Field(16, 1) /* FP16 */ | Field(20, 1) | Field(56, 1) /* CSV2 */ |
         Field(60, 1) /* CSV3 */},
    // ID_AA64DFR0_EL1: debug architecture 8, one breakpoint, one watchpoint.
    {{3, 0, 0, 5, 0}, Field(0, 6)},
    // ID_AA64ISAR0_EL1
    {{3, 0, 0, 6, 0},
     Field(4, 2) /* AES, PMULL */ | Field(8, 1) /* SHA1 */ | Field(12, 2) /* SHA2 */ |
         Field(16, 1) /* CRC32 */ | Field(20, 2) /* LSE */ | Field(28, 1) /* RDM */ |
         Field(32, 1) /* SHA3 */ | Field(36, 1) /* SM3 */ | Field(40, 1) /* SM4 */ |
         Field(44, 1) /* DP */ | Field(48, 1) /* FHM */ | Field(52, 2) /* TS */},
    // ID_AA64ISAR1_EL1
    {{3, 0, 0, 6, 1},
     Field(0, 1) /* DPB */ | Field(12, 1) /* JSCVT */ | Field(16, 1) /* FCMA */ |
         Field(20, 2) /* LRCPC */ | Field(36, 1) /* SB */},
    // ID_AA64MMFR0_EL1: 40-bit addresses, 16-bit ASIDs, granules of 4, 16 and 64 KiB.
    {{3, 0, 0, 7, 0}, Field(0, 2) | Field(4, 2) | Field(20, 1)},
    // ID_AA64MMFR1_EL1. ECBHB: no workaround sequence in exception vectors is needed.
    {{3, 0, 0, 7, 1},
     Field(4, 2) /* VMIDBits */ | Field(12, 1) /* HPDS */ | Field(16, 1) /* LO */ |
         Field(20, 2) /* PAN */ | Field(60, 1) /* ECBHB */},
    // ID_AA64MMFR2_EL1
    {{3, 0, 0, 7, 2}, Field(0, 1) /* CnP */ | Field(4, 1) /* UAO */},
};

constexpr SystemRegister kPfr2{3, 0, 0, 4, 2};
constexpr uint64_t kPfr2Gcie = Field(12, 1);

}  // namespace

absl::Span<const IdRegister> IdRegisters() { return kIdRegisters; }

uint64_t IdRegisterValue(SystemRegister reg, bool has_gicv5) {
  if (reg == kPfr2) return has_gicv5 ? kPfr2Gcie : 0;
  for (const IdRegister& id : kIdRegisters) {
    if (id.reg == reg) return id.value;
  }
  return 0;
}

}  // namespace firn::software
