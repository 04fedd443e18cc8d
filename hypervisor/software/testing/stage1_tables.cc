// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/testing/stage1_tables.h"

#include "absl/log/check.h"

namespace firn::software {
namespace {

constexpr uint64_t kValid = 1, kTableOrPage = 2;
constexpr uint64_t kAccessFlag = 1 << 10, kInnerShareable = 3 << 8, kEl0Access = 1 << 6;

}  // namespace

Stage1Tables::Stage1Tables(GuestMemory* memory, GuestAddress base, unsigned granule_bits,
                           unsigned input_bits)
    : memory_(memory),
      next_(base.value),
      granule_bits_(granule_bits),
      input_bits_(input_bits),
      root_(NewTable()) {}

uint64_t Stage1Tables::NewTable() {
  const uint64_t table = next_;
  next_ += uint64_t{1} << granule_bits_;
  CHECK(memory_->Contains(GuestAddress(table), uint64_t{1} << granule_bits_));
  return table;
}

GuestAddress Stage1Tables::Map(uint64_t va, uint64_t pa, unsigned level, bool el0) {
  const uint64_t input = va & ((uint64_t{1} << input_bits_) - 1);
  unsigned at = 3;
  while (at > 0 && Shift(at - 1) < input_bits_) --at;  // the level where the walk starts
  uint64_t table = root_;
  for (bool is_root = true;; is_root = false, ++at) {
    const uint64_t index_mask = is_root ? ~uint64_t{0} : (uint64_t{1} << (granule_bits_ - 3)) - 1;
    const GuestAddress entry(table + (input >> Shift(at) & index_mask) * 8);
    if (at == level) {
      const uint64_t type = kValid | (level == 3 ? kTableOrPage : 0);
      const uint64_t attributes = kAccessFlag | kInnerShareable | (el0 ? kEl0Access : 0);
      CHECK_OK(memory_->Store<uint64_t>(entry, pa | type | attributes));
      return entry;
    }
    uint64_t descriptor = *memory_->Load<uint64_t>(entry);
    if (descriptor == 0) {
      descriptor = NewTable() | kTableOrPage | kValid;
      CHECK_OK(memory_->Store<uint64_t>(entry, descriptor));
    }
    table = descriptor & ~uint64_t{3};
  }
}

uint64_t Stage1Tables::tcr(Half half) const {
  constexpr uint64_t kIps40Bits = uint64_t{2} << 32;
  constexpr uint64_t kEpd0 = 1 << 7, kEpd1 = 1 << 23;
  const uint64_t size = 64 - input_bits_;
  if (half == Half::kLower) {
    const uint64_t tg0 = granule_bits_ == 12 ? 0 : granule_bits_ == 16 ? 1 : 2;
    return kIps40Bits | kEpd1 | size | uint64_t{25} << 16 | uint64_t{2} << 30 | tg0 << 14;
  }
  const uint64_t tg1 = granule_bits_ == 12 ? 2 : granule_bits_ == 14 ? 1 : 3;
  return kIps40Bits | kEpd0 | 25 | size << 16 | tg1 << 30;
}

}  // namespace firn::software
