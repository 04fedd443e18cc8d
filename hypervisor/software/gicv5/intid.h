// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// INTIDs: an interrupt's type and its number within the type (gicv5-reference 2.3).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_INTID_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_INTID_H_

#include <compare>
#include <cstdint>
#include <optional>

namespace firn::software::gicv5 {

enum class IntidType : uint8_t { kPpi = 1, kLpi = 2, kSpi = 3 };

struct Intid {
  IntidType type = IntidType::kPpi;
  uint32_t id = 0;  // below 2^24

  // TYPE [31:29], ID [23:0].
  constexpr uint32_t packed() const { return static_cast<uint32_t>(type) << 29 | id; }
  // The INTID in the low word of an instruction's operand; nothing where TYPE is reserved.
  static constexpr std::optional<Intid> FromOperand(uint64_t operand) {
    const uint64_t type = operand >> 29 & 7;
    if (type < 1 || type > 3) return std::nullopt;
    return Intid{static_cast<IntidType>(type), static_cast<uint32_t>(operand & 0xffffff)};
  }
  // The order in which interrupts of one priority are taken.
  constexpr auto operator<=>(const Intid&) const = default;
};

// A pending, enabled, inactive interrupt; a lower `priority` is more urgent.
struct Candidate {
  Intid intid;
  uint8_t priority = 0;

  constexpr bool operator==(const Candidate&) const = default;
};

inline constexpr unsigned kPriorities = 32;

// The implemented bits of a priority: the upper `bits` of five.
constexpr uint8_t PriorityMask(uint32_t bits) {
  return static_cast<uint8_t>(0x1f & (0x1f << (5 - (bits > 5 ? 5 : bits))));
}

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_INTID_H_
