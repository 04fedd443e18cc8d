// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which pages of guest memory may differ from what they were made of.
#ifndef FIRN_MIGRATION_PAGE_SCAN_H_
#define FIRN_MIGRATION_PAGE_SCAN_H_

#include "absl/status/statusor.h"
#include "hypervisor/guest_memory.h"
#include "migration/page_set.h"

namespace firn {

// The pages of private guest memory that this process has a copy of its own of: in anonymous memory
// those that were touched, in a private mapping of a file those that were written. Nothing is
// touched by looking. Source: Linux Documentation/admin-guide/mm/pagemap.rst.
// Errors: those of /proc/self/pagemap, with errno.
absl::StatusOr<PageSet> OwnPages(const GuestMemory& memory);

}  // namespace firn

#endif  // FIRN_MIGRATION_PAGE_SCAN_H_
