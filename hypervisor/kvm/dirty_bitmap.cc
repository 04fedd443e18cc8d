// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/dirty_bitmap.h"

#include <algorithm>
#include <bit>

#include "hypervisor/guest_memory.h"

namespace firn::kvm {
namespace {

constexpr size_t kWordBits = 64;

uint64_t Pages(uint64_t size, size_t page_size) { return (size + page_size - 1) / page_size; }

void SetBits(std::vector<uint64_t>& bitmap, uint64_t first, uint64_t end) {
  for (uint64_t bit = first; bit < end; ++bit) {
    bitmap[bit / kWordBits] |= uint64_t{1} << bit % kWordBits;
  }
}

}  // namespace

size_t BitmapWords(uint64_t size, size_t page_size) {
  return (Pages(size, page_size) + kWordBits - 1) / kWordBits;
}

std::vector<uint64_t> ToGuestPages(std::vector<uint64_t> bitmap, uint64_t size, size_t page_size) {
  if (page_size == kGuestPageSize) return bitmap;
  const uint64_t ratio = page_size / kGuestPageSize;
  const uint64_t pages = Pages(size, kGuestPageSize);
  std::vector<uint64_t> result(BitmapWords(size, kGuestPageSize));
  for (size_t word = 0; word < bitmap.size(); ++word) {
    for (uint64_t left = bitmap[word]; left != 0; left &= left - 1) {
      const uint64_t first = (word * kWordBits + std::countr_zero(left)) * ratio;
      SetBits(result, first, std::min(first + ratio, pages));
    }
  }
  return result;
}

}  // namespace firn::kvm
