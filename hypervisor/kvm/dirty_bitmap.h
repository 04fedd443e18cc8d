// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM's dirty log counts in pages of the host, firn's in pages of kGuestPageSize.
#ifndef FIRN_HYPERVISOR_KVM_DIRTY_BITMAP_H_
#define FIRN_HYPERVISOR_KVM_DIRTY_BITMAP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace firn::kvm {

// The 64-bit words of a bitmap with a bit for each page of `size` bytes of memory.
size_t BitmapWords(uint64_t size, size_t page_size);

// A bitmap of `size` bytes of memory in pages of kGuestPageSize, from one in pages of
// `page_size`, a power of two from kGuestPageSize up.
std::vector<uint64_t> ToGuestPages(std::vector<uint64_t> bitmap, uint64_t size, size_t page_size);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_DIRTY_BITMAP_H_
