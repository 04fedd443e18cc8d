// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// From what the user wants (memory_choice.h) to what a restore is asked for.
#ifndef FIRN_VMM_MACHINE_MEMORY_REQUEST_H_
#define FIRN_VMM_MACHINE_MEMORY_REQUEST_H_

#include <string>

#include "absl/status/status.h"
#include "migration/snapshot.h"
#include "vmm/config/memory_choice.h"
#include "vmm/machine/machine_snapshot.h"

namespace firn {

// Sets what `request` says of memory, from a `choice` without a problem; reads the working set.
// The one beside the state file is left alone where it does not fit: `note` says so. Errors of one
// that was asked for, or of the file to record into, name the option and the file.
absl::Status ReadMemoryChoice(const MemoryChoice& choice, const Snapshot& snapshot, OptionName name,
                              RestoreRequest& request, std::string& note);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_MEMORY_REQUEST_H_
