// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The EL1 virtual and physical timers of one vCPU. Source: Arm ARM (DDI 0487) D12 "The Generic
// Timer in AArch64 state". Each compares with the counter of its name (machine_clock.h).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GENERIC_TIMER_H_
#define FIRN_HYPERVISOR_SOFTWARE_GENERIC_TIMER_H_

#include <cstdint>

namespace firn::software {

// One timer: CTL and CVAL, and TVAL as a view of CVAL.
class Timer {
 public:
  uint64_t ReadCtl(uint64_t counter) const {
    return control_ | (IsDue(counter) && (control_ & kEnable) != 0 ? kStatus : 0);
  }
  void WriteCtl(uint64_t value) { control_ = value & (kEnable | kMask); }
  uint64_t cval() const { return compare_; }
  void WriteCval(uint64_t value) { compare_ = value; }
  uint64_t ReadTval(uint64_t counter) const { return static_cast<uint32_t>(compare_ - counter); }
  void WriteTval(uint64_t value, uint64_t counter) {
    compare_ = counter + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(value)));
  }

  // The level of its interrupt line.
  bool Line(uint64_t counter) const { return IsArmed() && IsDue(counter); }
  // Enabled and not masked: its line rises when the counter reaches cval.
  bool IsArmed() const { return (control_ & (kEnable | kMask)) == kEnable; }

 private:
  static constexpr uint64_t kEnable = 1, kMask = 2, kStatus = 4;

  bool IsDue(uint64_t counter) const { return counter >= compare_; }

  uint64_t control_ = 0;
  uint64_t compare_ = 0;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_GENERIC_TIMER_H_
