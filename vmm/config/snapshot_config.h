// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The configuration of the machine that a snapshot is of.
#ifndef FIRN_VMM_CONFIG_SNAPSHOT_CONFIG_H_
#define FIRN_VMM_CONFIG_SNAPSHOT_CONFIG_H_

#include "absl/status/statusor.h"
#include "migration/snapshot.h"
#include "vmm/config/config.h"

namespace firn {

// Not validated: some of it may be overridden first. The interrupt controller is the one that the
// machine had, not what `auto` would choose here. DataLoss, InvalidArgument: not one of firn's.
absl::StatusOr<VmConfig> ConfigOfSnapshot(const Snapshot& snapshot);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_SNAPSHOT_CONFIG_H_
