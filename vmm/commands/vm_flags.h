// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The flags that describe a virtual machine, for every command that takes one.
#ifndef FIRN_VMM_COMMANDS_VM_FLAGS_H_
#define FIRN_VMM_COMMANDS_VM_FLAGS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "vmm/config/config.h"
#include "vmm/config/flags.h"
#include "vmm/run_vm.h"

namespace firn {

absl::Span<const FlagSpec> VmFlags();

// VmFlags, `more` and --help.
std::vector<FlagSpec> WithVmFlags(absl::Span<const FlagSpec> more);

// What the command line says goes over what `config` has (from --config); --disk adds to its
// drives. InvalidArgument names the flag whose value is malformed.
absl::Status ApplyVmFlags(const Flags& flags, VmConfig& config);

// Every --save-at N:DIR[:incremental].
absl::Status ReadSaveAt(const Flags& flags, RunOptions& options);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_VM_FLAGS_H_
