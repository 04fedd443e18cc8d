// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The time of day that a guest's RTC tells.
#ifndef FIRN_VMM_MACHINE_GUEST_WALL_CLOCK_H_
#define FIRN_VMM_MACHINE_GUEST_WALL_CLOCK_H_

#include <cstdint>
#include <memory>

#include "devices/rtc/wall_clock.h"
#include "hypervisor/vm.h"

namespace firn {

// 2026-01-01 00:00:00 UTC: when a deterministic guest begins.
inline constexpr int64_t kDeterministicEpoch = 1767225600;

// The host's clock, or for a deterministic machine kDeterministicEpoch and what `vm`'s counter
// has counted since. `vm` outlives every call of the result's Seconds.
std::unique_ptr<WallClock> MakeWallClock(const Vm& vm, bool is_deterministic);

// The counter of such a machine, of `frequency` Hz, when its clock first tells `seconds`.
uint64_t CounterAt(int64_t seconds, uint64_t frequency);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_GUEST_WALL_CLOCK_H_
