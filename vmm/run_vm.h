// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Runs the virtual machine of a configuration in this process until it ends: `firn run`.
#ifndef FIRN_VMM_RUN_VM_H_
#define FIRN_VMM_RUN_VM_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "migration/snapshot.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/timeline.h"
#include "vmm/config/config.h"
#include "vmm/instruction_stops.h"
#include "vmm/machine/machine_snapshot.h"

namespace firn {

// Of a deterministic run without --seed.
inline constexpr uint64_t kDefaultSeed = 0;

struct RunOptions {
  std::optional<std::string> config_path;  // where the configuration was read; not written to
  std::optional<std::string> stats_path;
  std::optional<std::string> api_sock;  // where the control API listens (vmm/api)
  bool trace = false;                   // say each phase of saves and restores
  bool quiet = false;                   // only errors, and what the guest says
  // Deterministic machines: save when the guest has executed so many instructions, and go on.
  std::vector<SaveAt> saves;  // ascending
};

// What RestoreVm does beyond RunOptions.
struct RestoreOptions {
  RunOptions run;
  RestoreRequest request;
  bool paused = false;  // until the control API lets it run
};

// The main thread of the process, which owns its signals and its terminal meanwhile. `config` is
// valid. Messages go to stderr, "firn: …". Returns the exit status (exit_status.h).
int RunVm(const VmConfig& config, const RunOptions& options, Timeline& timeline);

// The same with a machine that goes on where `snapshot` was made: `firn restore`. `config` is the
// snapshot's, with what is overridden. After a reboot the machine boots the kernel of `config`.
int RestoreVm(const VmConfig& config, const Snapshot& snapshot, const RestoreOptions& options,
              Timeline& timeline);

// The same with the snapshot that a client of the control API names (PUT /snapshot/load): waits for
// it at `options.api_sock`, without a machine. `apply` puts what the command line says over the
// snapshot's configuration.
int ServeVm(const RunOptions& options, std::function<absl::Status(VmConfig&)> apply,
            Timeline& timeline);

}  // namespace firn

#endif  // FIRN_VMM_RUN_VM_H_
