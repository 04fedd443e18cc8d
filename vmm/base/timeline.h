// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// When a run reached its milestones.
#ifndef FIRN_VMM_BASE_TIMELINE_H_
#define FIRN_VMM_BASE_TIMELINE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace firn {

// Nanoseconds.
struct HostTimes {
  uint64_t wall = 0;  // monotonic
  uint64_t cpu = 0;   // used by this process since it started, by all of its threads
};
HostTimes ReadHostTimes();

struct Milestone {
  std::string name;
  uint64_t wall_ns = 0;  // since the timeline began
  uint64_t cpu_ns = 0;   // since the process started
};

// Any thread.
class Timeline {
 public:
  // Begins now, by `clock`.
  explicit Timeline(std::function<HostTimes()> clock);

  // Notes that `name` is reached now; only the first time counts.
  void Mark(std::string_view name);

  std::vector<Milestone> milestones() const;
  Milestone Now() const;

 private:
  const std::function<HostTimes()> clock_;
  const uint64_t begin_;
  mutable absl::Mutex mutex_;
  std::vector<Milestone> milestones_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn

#endif  // FIRN_VMM_BASE_TIMELINE_H_
