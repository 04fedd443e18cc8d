// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A guest physical address (IPA), kept apart from host addresses and lengths by its type.
#ifndef FIRN_HYPERVISOR_GUEST_ADDRESS_H_
#define FIRN_HYPERVISOR_GUEST_ADDRESS_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"

namespace firn {

struct GuestAddress {
  uint64_t value = 0;

  constexpr GuestAddress() = default;
  constexpr explicit GuestAddress(uint64_t address) : value(address) {}

  constexpr auto operator<=>(const GuestAddress&) const = default;

  // This address moved up by `offset` bytes, or nothing where that wraps.
  constexpr std::optional<GuestAddress> Plus(uint64_t offset) const {
    uint64_t sum = 0;
    if (__builtin_add_overflow(value, offset, &sum)) return std::nullopt;
    return GuestAddress(sum);
  }

  // Alignment is a power of two.
  constexpr bool IsAligned(uint64_t alignment) const { return (value & (alignment - 1)) == 0; }

  template <typename Sink>
  friend void AbslStringify(Sink& sink, GuestAddress address) {
    absl::Format(&sink, "0x%x", address.value);
  }
};

// A range of guest physical addresses that never wraps; `size` may be 0.
class GuestRange {
 public:
  constexpr GuestRange() = default;

  // Nothing where base + size exceeds 2^64 - 1.
  static constexpr std::optional<GuestRange> Create(GuestAddress base, uint64_t size) {
    if (!base.Plus(size)) return std::nullopt;
    return GuestRange(base, size);
  }

  constexpr GuestAddress base() const { return base_; }
  constexpr uint64_t size() const { return size_; }
  // The first address behind the range.
  constexpr GuestAddress end() const { return GuestAddress(base_.value + size_); }

  constexpr bool Contains(GuestAddress address, uint64_t size = 1) const {
    return address >= base_ && size <= size_ && address.value - base_.value <= size_ - size;
  }
  constexpr bool Overlaps(const GuestRange& other) const {
    return base_ < other.end() && other.base_ < end();
  }
  constexpr bool operator==(const GuestRange&) const = default;

 private:
  constexpr GuestRange(GuestAddress base, uint64_t size) : base_(base), size_(size) {}

  GuestAddress base_;
  uint64_t size_ = 0;
};

}  // namespace firn

#endif  // FIRN_HYPERVISOR_GUEST_ADDRESS_H_
