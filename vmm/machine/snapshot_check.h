// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What `firn verify` checks of a state file beyond its checksums.
#ifndef FIRN_VMM_MACHINE_SNAPSHOT_CHECK_H_
#define FIRN_VMM_MACHINE_SNAPSHOT_CHECK_H_

#include "absl/status/status.h"
#include "migration/state_file.h"

namespace firn {

// That the sections a machine is made of are there, and that each that this firn knows is a message
// of its type. `file` may hold anything. DataLoss, naming the section.
absl::Status CheckSnapshotState(const StateFile& file);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_SNAPSHOT_CHECK_H_
