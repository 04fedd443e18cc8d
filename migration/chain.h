// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which snapshot lies on which: what is checked before a chain changes.
#ifndef FIRN_MIGRATION_CHAIN_H_
#define FIRN_MIGRATION_CHAIN_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "migration/file_calls.h"
#include "migration/memory_file.h"
#include "migration/snapshot.h"

namespace firn {

// Whether a layer that is written to `paths` can lie on snapshot `base`, whose state file is at
// `base_path`. Else: InvalidArgument (it would replace a file of what it lies on),
// FailedPrecondition (the base was replaced since, or the chain would be too long), or why the base
// cannot be opened.
absl::Status CheckNewLayer(FileCalls& calls, const SnapshotPaths& paths,
                           const std::string& base_path, const SnapshotId& base);

// FailedPrecondition if FindLayerOn finds a layer on the top of `chain`, which would lose its
// parent if that were replaced.
absl::Status CheckNoLayerOn(FileCalls& calls, const Snapshot& chain);

// Whether a file at `path` is, or would be, one of those of `chain`.
bool IsPartOf(const std::string& path, const Snapshot& chain);

// The state file of a layer that lies on snapshot `id`. Looks beside its own state file, and in the
// folders beside the folder of that; what cannot be read is passed over.
std::optional<std::string> FindLayerOn(FileCalls& calls, const std::string& state_path,
                                       const SnapshotId& id);

}  // namespace firn

#endif  // FIRN_MIGRATION_CHAIN_H_
