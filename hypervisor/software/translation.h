// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A stage 1 walk of the guest's translation tables in host memory: where is this virtual
// address? For fetching an instruction and for finding translated code, so it needs no
// permissions. Source: Arm ARM (DDI 0487) D8.2 "Translation process"; 4, 16 and 64 KiB granules.
#ifndef FIRN_HYPERVISOR_SOFTWARE_TRANSLATION_H_
#define FIRN_HYPERVISOR_SOFTWARE_TRANSLATION_H_

#include <cstdint>
#include <optional>

#include "hypervisor/guest_address.h"
#include "hypervisor/software/engine_cpu.h"
#include "hypervisor/software/memory_map.h"

namespace firn::software {

// The guest physical address of virtual address `va` in the EL1&0 regime, or nothing where the
// tables do not map it.
std::optional<GuestAddress> TranslateStage1(const EngineCpu& cpu, MemoryMap& memory, uint64_t va);

// Whether the walk for `va` gets to a table of 4 KiB pages, be `va` mapped in it or not. False
// where the tables have a larger page or a block for it, or nothing.
bool IsInPageTable(const EngineCpu& cpu, MemoryMap& memory, uint64_t va);

// The instruction at virtual address `pc`.
std::optional<uint32_t> FetchInstruction(const EngineCpu& cpu, MemoryMap& memory, uint64_t pc);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_TRANSLATION_H_
