// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A configuration as JSON: Firecracker's keys, and firn's own beside them (vmm/README.md).
#ifndef FIRN_VMM_CONFIG_CONFIG_JSON_H_
#define FIRN_VMM_CONFIG_CONFIG_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "vmm/config/config.h"

namespace firn {

// A file with more bytes than this is no configuration.
inline constexpr size_t kConfigFileLimit = 1 << 20;

// InvalidArgument names an unknown key (with its path and the nearest one), a wrong type
// (expected and got), a repeated key, a key of Firecracker's that firn does not support yet.
// What is not given keeps its default; ranges are for Validate.
absl::StatusOr<VmConfig> ParseConfig(std::string_view text);

// The same from a file; errors name it.
absl::StatusOr<VmConfig> LoadConfigFile(const std::string& path);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_CONFIG_JSON_H_
