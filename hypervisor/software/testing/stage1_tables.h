// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Builds stage 1 translation tables in guest memory, of any granule.
// Source: Arm ARM (DDI 0487) D8.3 "VMSAv8-64 translation table format descriptors".
#ifndef FIRN_HYPERVISOR_SOFTWARE_TESTING_STAGE1_TABLES_H_
#define FIRN_HYPERVISOR_SOFTWARE_TESTING_STAGE1_TABLES_H_

#include <cstdint>

#include "hypervisor/guest_memory.h"

namespace firn::software {

// The tables of one half of the address space.
class Stage1Tables {
 public:
  enum class Half { kLower, kUpper };

  // Puts tables into `memory` from `base` on. `granule_bits` is 12, 14 or 16; `input_bits` is
  // 64 - TxSZ.
  Stage1Tables(GuestMemory* memory, GuestAddress base, unsigned granule_bits, unsigned input_bits);

  // Maps the block or page at `va` to `pa`; `level` 3 is a page, 2 and 1 blocks. `el0`: EL0 may
  // read and write it (and then EL1 does not execute it). Returns where the descriptor is.
  GuestAddress Map(uint64_t va, uint64_t pa, unsigned level = 3, bool el0 = false);

  uint64_t ttbr() const { return root_; }
  // TCR_EL1 for these tables in one half, the other half disabled.
  uint64_t tcr(Half half) const;
  static constexpr uint64_t kMair = 0xff;                        // attribute 0: normal memory
  static constexpr uint64_t kSctlr = 0x30d0'0000 | 1 << 23 | 1;  // RES1 bits, SPAN, M

 private:
  uint64_t NewTable();
  unsigned Shift(unsigned level) const { return granule_bits_ + (granule_bits_ - 3) * (3 - level); }

  GuestMemory* const memory_;
  uint64_t next_;
  const unsigned granule_bits_;
  const unsigned input_bits_;
  uint64_t root_;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_TESTING_STAGE1_TABLES_H_
