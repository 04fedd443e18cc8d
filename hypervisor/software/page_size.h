// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The page size of a Unicorn engine. For arm64 it is 1 KiB, as the oldest Arm CPUs had: a page of
// the guest then takes four entries of the TLB and four walks, and is a large page to the engine,
// which drops its whole TLB when one of those is invalidated.
#ifndef FIRN_HYPERVISOR_SOFTWARE_PAGE_SIZE_H_
#define FIRN_HYPERVISOR_SOFTWARE_PAGE_SIZE_H_

#include <unicorn/unicorn.h>

#include <cstdint>

namespace firn::software {

// What SetPageSize must be told so that engines have pages of 4 KiB, found by trying. 0: nothing;
// pages stay as they are, and the engine is slower.
uint32_t FindPageSizeArgument();

// Before anything else that initialises `uc`. Does nothing for 0.
uc_err SetPageSize(uc_engine* uc, uint32_t argument);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_PAGE_SIZE_H_
