// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The structure that a VMClock shares with its guest. Numbers are little-endian.
// Source: Linux include/uapi/linux/vmclock-abi.h; UAPI Group, VMClock specification.
#ifndef FIRN_DEVICES_VMCLOCK_VMCLOCK_ABI_H_
#define FIRN_DEVICES_VMCLOCK_VMCLOCK_ABI_H_

#include <cstddef>
#include <cstdint>

namespace firn::vmclock {

inline constexpr uint32_t kMagic = 0x4b4c'4356;  // "VCLK"
inline constexpr uint16_t kVersion = 1;

enum CounterId : uint8_t { kCounterArmVirtual = 0 };
enum TimeType : uint8_t { kTimeTai = 1 };
enum ClockStatus : uint8_t {
  // Right when it was set, and not kept in step with anything since.
  kStatusFreeRunning = 3,
};
enum Flags : uint64_t {
  kFlagTaiOffsetValid = 1 << 0,
  kFlagVmGenerationCounterPresent = 1 << 8,
  // Every new value of seq_count comes with an interrupt.
  kFlagNotificationPresent = 1 << 9,
};

// Field names are those of struct vmclock_abi.
struct Abi {
  uint32_t magic;
  uint32_t size;  // of the region, in bytes
  uint16_t version;
  uint8_t counter_id;
  uint8_t time_type;
  // All that follows is valid while this is even and the same before and after it was read.
  uint32_t seq_count;
  uint64_t disruption_marker;
  uint64_t flags;
  uint8_t pad[2];
  uint8_t clock_status;
  uint8_t leap_second_smearing_hint;
  int16_t tai_offset_sec;  // TAI minus UTC
  uint8_t leap_indicator;
  uint8_t counter_period_shift;
  uint64_t counter_value;
  uint64_t counter_period_frac_sec;  // seconds / 2^(64 + counter_period_shift)
  uint64_t counter_period_esterror_rate_frac_sec;
  uint64_t counter_period_maxerror_rate_frac_sec;
  uint64_t time_sec;
  uint64_t time_frac_sec;  // seconds / 2^64
  uint64_t time_esterror_nanosec;
  uint64_t time_maxerror_nanosec;
  uint64_t vm_generation_counter;
};
static_assert(offsetof(Abi, seq_count) == 0x0c);
static_assert(offsetof(Abi, flags) == 0x18);
static_assert(offsetof(Abi, counter_value) == 0x28);
static_assert(offsetof(Abi, vm_generation_counter) == 0x68);
static_assert(sizeof(Abi) == 0x70);

}  // namespace firn::vmclock

#endif  // FIRN_DEVICES_VMCLOCK_VMCLOCK_ABI_H_
