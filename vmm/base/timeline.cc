// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/timeline.h"

#include <time.h>

#include <utility>

namespace firn {
namespace {

uint64_t ReadClock(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

HostTimes ReadHostTimes() {
  return {.wall = ReadClock(CLOCK_MONOTONIC), .cpu = ReadClock(CLOCK_PROCESS_CPUTIME_ID)};
}

Timeline::Timeline(std::function<HostTimes()> clock)
    : clock_(std::move(clock)), begin_(clock_().wall) {}

void Timeline::Mark(std::string_view name) {
  Milestone milestone = Now();
  milestone.name = name;
  absl::MutexLock lock(&mutex_);
  for (const Milestone& other : milestones_) {
    if (other.name == name) return;
  }
  milestones_.push_back(std::move(milestone));
}

std::vector<Milestone> Timeline::milestones() const {
  absl::MutexLock lock(&mutex_);
  return milestones_;
}

Milestone Timeline::Now() const {
  const HostTimes now = clock_();
  return {.name = "", .wall_ns = now.wall - begin_, .cpu_ns = now.cpu};
}

}  // namespace firn
