// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Between this process, which uses guest memory through the cache, and a guest that does not.
#ifndef FIRN_HYPERVISOR_DATA_CACHE_H_
#define FIRN_HYPERVISOR_DATA_CACHE_H_

#include <cstddef>

#include "absl/types/span.h"

namespace firn {

// When it returns, what this thread has stored to `data` is where a guest reads it that maps these
// pages as Device memory. Without FEAT_S2FWB (Armv8.0 to 8.3) a guest's Device attribute prevails
// over the Normal memory of stage 2: its loads go past the caches, in which a store of this process
// may stay. The clean to the point of coherency is what the architecture asks for there; the guest
// never writes, so nothing has to be invalidated here. What the host's kernel puts into a page (a
// new one's zeroes, one that moved) KVM cleans when it maps the page into the guest.
// Does nothing on hosts other than arm64, as there is no guest that maps anything.
// Source: Arm ARM (DDI 0487) "Mismatched memory attributes", "DC CVAC"; Linux
// arch/arm64/include/asm/sysreg.h (SCTLR_EL1.UCI and UCT: EL0 may do this), arch/arm64/kvm/mmu.c
// (user_mem_abort).
// Any thread; the pages are mapped readable.
void CleanDataCache(absl::Span<const std::byte> data);

}  // namespace firn

#endif  // FIRN_HYPERVISOR_DATA_CACHE_H_
