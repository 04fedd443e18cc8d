// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The pages that a restored guest touches first (docs/snapshot-format.md, "Working set").
#ifndef FIRN_MIGRATION_WORKING_SET_H_
#define FIRN_MIGRATION_WORKING_SET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "migration/memory_file.h"
#include "migration/page_set.h"

namespace firn {

struct WorkingSet {
  SnapshotId id = {};         // of the snapshot that it belongs to
  std::vector<PageRun> runs;  // in order of first touch; no page is in two
};

// Of a file: what a guest of the largest size has at most.
inline constexpr uint64_t kMaximumWorkingSetFileSize = 64 << 20;

std::string EncodeWorkingSet(const WorkingSet& set);

// DataLoss for what is damaged or no working set, FailedPrecondition for a version of a newer firn.
// The runs are those of no guest yet: CheckWorkingSet.
absl::StatusOr<WorkingSet> DecodeWorkingSet(std::string_view bytes);

// Whether `set` is of snapshot `id`, whose guest has `pages` pages: FailedPrecondition for another
// snapshot, DataLoss for pages that are not there or are listed twice.
absl::Status CheckWorkingSet(const WorkingSet& set, const SnapshotId& id, uint64_t pages);

}  // namespace firn

#endif  // FIRN_MIGRATION_WORKING_SET_H_
