// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The sections of a snapshot (docs/snapshot-format.md) that a machine has besides its devices.
#ifndef FIRN_VMM_MACHINE_SNAPSHOT_SECTIONS_H_
#define FIRN_VMM_MACHINE_SNAPSHOT_SECTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace firn {

inline constexpr std::string_view kTablesSection = "gic/tables";
inline constexpr std::string_view kRegistersSection = "gic/registers";
inline std::string VcpuSection(uint32_t id) { return absl::StrCat("vcpu/", id); }

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_SNAPSHOT_SECTIONS_H_
