// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What clones that are restored at once must not share, and how each gets its own.
#ifndef FIRN_VMM_COMMANDS_CLONE_NAMES_H_
#define FIRN_VMM_COMMANDS_CLONE_NAMES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "vmm/config/config.h"
#include "vmm/run_vm.h"

namespace firn {

// What stands for a clone's number in names of its files.
inline constexpr std::string_view kCloneNumber = "%n";

// InvalidArgument for a file that all clones would write: writable disks, console, statistics,
// socket, snapshots.
absl::Status CheckClonesAreApart(const VmConfig& config, const RunOptions& options);

// The clone's number in each place of kCloneNumber, and a seed of its own.
void NameClone(uint64_t number, VmConfig& config, RunOptions& options);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_CLONE_NAMES_H_
