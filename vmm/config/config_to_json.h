// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A configuration as the JSON that config_json.h reads: Firecracker's keys, and firn's own.
#ifndef FIRN_VMM_CONFIG_CONFIG_TO_JSON_H_
#define FIRN_VMM_CONFIG_CONFIG_TO_JSON_H_

#include <string>

#include "vmm/config/config.h"

namespace firn {

// ParseConfig reads it back to an equal configuration, but for bytes of a path that are not UTF-8
// (shown as U+FFFD) and memory that is no whole number of MiB (rounded down).
std::string ConfigToJson(const VmConfig& config);

// Its `machine-config` alone.
std::string MachineConfigToJson(const MachineConfig& machine);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_CONFIG_TO_JSON_H_
