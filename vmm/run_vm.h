// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Runs the virtual machine of a configuration in this process until it ends: `firn run`.
#ifndef FIRN_VMM_RUN_VM_H_
#define FIRN_VMM_RUN_VM_H_

#include <cstdint>
#include <optional>
#include <string>

#include "vmm/config.h"
#include "vmm/exit_status.h"
#include "vmm/timeline.h"

namespace firn {

// Of a deterministic run without --seed.
inline constexpr uint64_t kDefaultSeed = 0;

struct RunOptions {
  std::optional<std::string> stats_path;
  std::optional<std::string> api_sock;  // where the control API listens (vmm/api)
  bool quiet = false;                   // only errors, and what the guest says
};

// The main thread of the process, which owns its signals and its terminal meanwhile. `config` is
// valid. Messages go to stderr, "firn: …". Returns the exit status (exit_status.h).
int RunVm(const VmConfig& config, const RunOptions& options, Timeline& timeline);

}  // namespace firn

#endif  // FIRN_VMM_RUN_VM_H_
