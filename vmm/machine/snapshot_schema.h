// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The section `schema` of the snapshots that this firn writes (docs/snapshot-format.md).
#ifndef FIRN_VMM_MACHINE_SNAPSHOT_SCHEMA_H_
#define FIRN_VMM_MACHINE_SNAPSHOT_SCHEMA_H_

#include <string>
#include <string_view>

namespace firn {

// A serialized state::Schema, for a machine with the interrupt controller of that name.
std::string SnapshotSchema(std::string_view interrupt_controller);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_SNAPSHOT_SCHEMA_H_
