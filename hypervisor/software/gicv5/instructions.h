// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GIC instructions at EL1: SYS (GIC CD*, GSB) and SYSL (GICR CDIA, CDNMIA).
// Source: gicv5-reference 2.5, 5.3, 5.4.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_INSTRUCTIONS_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_INSTRUCTIONS_H_

#include <cstdint>
#include <optional>

#include "hypervisor/register_id.h"
#include "hypervisor/software/gicv5/cpu_interface.h"
#include "hypervisor/software/gicv5/irs.h"
#include "hypervisor/software/gicv5/spi_lines.h"

namespace firn::software::gicv5 {

// What an instruction works on; `irs` and `lines` are both null where the machine has no IRS.
struct InstructionContext {
  CpuInterface* cpu;
  Irs* irs;
  SpiLines* lines;
};

// Executes a SYS. False: UNDEFINED. Where it deactivated a level SPI, `deactivated` gets its id.
// An operand that names no interrupt is ignored (CDRCFG reports it in ICC_ICSR_EL1.F).
bool ExecuteSys(const InstructionContext& context, SystemRegister instruction, uint64_t operand,
                std::optional<uint32_t>* deactivated);

// Acknowledges the highest priority pending interrupt where it is the kind that the instruction
// takes: superpriority for CDNMIA, and for CDIA too unless `nmi_enabled`. False: UNDEFINED.
bool ExecuteSysl(const InstructionContext& context, SystemRegister instruction, bool nmi_enabled,
                 std::optional<Intid>* acknowledged);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_INSTRUCTIONS_H_
