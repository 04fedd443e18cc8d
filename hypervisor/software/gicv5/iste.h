// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The architected 32 bits of an Interrupt State Table entry (gicv5-reference 4.1): the state of an
// SPI or LPI, in memory as in a saved buffer.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_ISTE_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_ISTE_H_

#include <cstdint>

namespace firn::software::gicv5 {

struct Iste {
  static constexpr uint32_t kPending = 1u << 0;
  static constexpr uint32_t kActive = 1u << 1;
  static constexpr uint32_t kLevel = 1u << 2;  // HM
  static constexpr uint32_t kEnable = 1u << 3;
  static constexpr uint32_t kIrm = 1u << 4;
  static constexpr uint32_t kPriority = 0x1fu << 11;
  static constexpr uint32_t kIaffid = 0xffffu << 16;
  // What a restore takes: without HWU [10:9] and the reserved bits [8:5].
  static constexpr uint32_t kRestored =
      kPending | kActive | kLevel | kEnable | kIrm | kPriority | kIaffid;

  uint32_t bits = 0;

  constexpr bool Has(uint32_t flag) const { return (bits & flag) != 0; }
  constexpr uint8_t priority() const { return bits >> 11 & 0x1f; }
  constexpr uint16_t iaffid() const { return static_cast<uint16_t>(bits >> 16); }
  constexpr Iste With(uint32_t flag, bool on) const { return {on ? bits | flag : bits & ~flag}; }
  constexpr Iste WithPriority(uint8_t priority) const {
    return {(bits & ~kPriority) | uint32_t{priority} << 11};
  }
  constexpr Iste WithIaffid(uint16_t iaffid) const {
    return {(bits & ~kIaffid) | uint32_t{iaffid} << 16};
  }
  // Its target's interface may signal it.
  constexpr bool IsCandidate() const {
    return (bits & (kEnable | kPending | kActive)) == (kEnable | kPending);
  }
  constexpr bool operator==(const Iste&) const = default;
};
static_assert(sizeof(Iste) == 4);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_ISTE_H_
