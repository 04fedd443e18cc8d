// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/memory_layout.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firn {
namespace {

constexpr uint64_t kInitrdAlignment = 64 * kKiB;
constexpr uint64_t kBootWindow = 32 * kGiB;

static_assert(kRamBase.IsAligned(kGiB), "the boot window is 1 GiB aligned");
static_assert(kKiB * 64 * 2 <= kInterruptControllerRegion.size());
static_assert(kInterruptControllerRegion.end() <= kSerialRange.base());
static_assert(kVirtioMmioRegion.end() <= kVmGenIdRange.base());
static_assert(kSharedPagesRegion.base().IsAligned(64 * kKiB));
static_assert(kSharedPagesRegion.end().IsAligned(64 * kKiB));
static_assert(kPvpanicRange.end() <= kSharedPagesRegion.base());
static_assert(kSharedPagesRegion.end() <= kRamBase);

constexpr uint64_t AlignDown(uint64_t value, uint64_t alignment) {
  return value & ~(alignment - 1);
}

std::string Size(uint64_t bytes) {
  if (bytes % kGiB == 0 && bytes != 0) return absl::StrCat(bytes / kGiB, " GiB");
  if (bytes % kMiB == 0) return absl::StrCat(bytes / kMiB, " MiB");
  return absl::StrCat(bytes, " bytes");
}

GuestRange Range(GuestAddress base, uint64_t size) { return *GuestRange::Create(base, size); }

}  // namespace

absl::StatusOr<GuestRange> VirtioMmioSlot(uint32_t index) {
  if (index >= kVirtioMmioSlots) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kVirtioMmioSlots, " virtio devices: remove some"));
  }
  return Range(GuestAddress(kVirtioMmioRegion.base().value + index * kMmioSlotSize), kMmioSlotSize);
}

absl::StatusOr<MemoryLayout> MemoryLayout::Create(uint64_t memory_bytes, int ipa_bits) {
  if (ipa_bits < 32 || ipa_bits > 52) {
    return absl::InvalidArgumentError(absl::StrCat("a guest physical address space of ", ipa_bits,
                                                   " bits: 32 to 52 are possible"));
  }
  const uint64_t space_end = uint64_t{1} << ipa_bits;
  const uint64_t low_capacity = std::min(space_end, kMmio64Hole.base().value) - kRamBase.value;
  const uint64_t high_base = kMmio64Hole.end().value;
  const uint64_t capacity = low_capacity + (space_end > high_base ? space_end - high_base : 0);

  if (memory_bytes < kMinimumRam) {
    return absl::InvalidArgumentError(absl::StrCat("guest memory of ", Size(memory_bytes),
                                                   " is too small: give at least ",
                                                   Size(kMinimumRam)));
  }
  if (memory_bytes % kRamGranularity != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "guest memory of ", memory_bytes, " bytes is not a multiple of ", Size(kRamGranularity)));
  }
  if (memory_bytes > capacity) {
    return absl::InvalidArgumentError(
        absl::StrCat("guest memory of ", Size(memory_bytes), " is more than the ", Size(capacity),
                     " that fit into guest physical addresses of ", ipa_bits, " bits"));
  }
  const uint64_t low = std::min(memory_bytes, low_capacity);
  std::vector<GuestRange> ram = {Range(kRamBase, low)};
  if (memory_bytes > low) ram.push_back(Range(GuestAddress(high_base), memory_bytes - low));
  return MemoryLayout(std::move(ram));
}

GuestRange MemoryLayout::fdt_space() const {
  const uint64_t end = kRamBase.value + std::min(ram_[0].size(), kBootWindow);
  return Range(GuestAddress(AlignDown(end - kMaximumFdtSize, kMaximumFdtSize)), kMaximumFdtSize);
}

GuestRange MemoryLayout::kernel_space() const {
  return Range(kRamBase, fdt_space().base().value - kRamBase.value);
}

absl::StatusOr<GuestRange> MemoryLayout::PlaceInitrd(uint64_t size, GuestRange kernel) const {
  const uint64_t top = fdt_space().base().value;
  const uint64_t bottom = kernel.end().value;
  const uint64_t room = top > bottom ? top - bottom : 0;
  if (size > room || AlignDown(top - size, kInitrdAlignment) < bottom) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "the initrd has %d bytes, and between the kernel and the device tree %d are free: give the "
        "guest more memory (it has %s), or use a smaller initrd",
        size, room, Size(ram_[0].size())));
  }
  return Range(GuestAddress(AlignDown(top - size, kInitrdAlignment)), size);
}

}  // namespace firn
