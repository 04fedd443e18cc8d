// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/mmio_bus.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace firn {

absl::Status MmioBus::Add(std::string_view name, const GuestRange& range, MmioDevice& device) {
  if (range.size() == 0) {
    return absl::InvalidArgumentError(absl::StrFormat("MMIO device %s has an empty range", name));
  }
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), range.base().value);
  const auto index = end - ends_.begin();
  // Slots before this one end at or below our base; those behind it start higher than it does.
  if (end != ends_.end() && slots_[index]->range.Overlaps(range)) {
    const Slot& other = *slots_[index];
    return absl::AlreadyExistsError(absl::StrFormat(
        "MMIO device %s at 0x%x+0x%x overlaps %s at 0x%x+0x%x", name, range.base().value,
        range.size(), other.name, other.range.base().value, other.range.size()));
  }
  auto slot = std::make_unique<Slot>();
  slot->name = std::string(name);
  slot->range = range;
  slot->device = &device;
  ends_.insert(end, range.end().value);
  slots_.insert(slots_.begin() + index, std::move(slot));
  return absl::OkStatus();
}

MmioBus::Slot* MmioBus::Find(GuestAddress address, uint64_t size) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), address.value);
  if (end == ends_.end()) return nullptr;
  Slot* slot = slots_[end - ends_.begin()].get();
  return slot->range.Contains(address, size) ? slot : nullptr;
}

void MmioBus::Read(GuestAddress address, absl::Span<std::byte> data) {
  Slot* slot = Find(address, data.size());
  if (slot == nullptr) {
    unmapped_reads_.fetch_add(1, std::memory_order_relaxed);
    std::fill(data.begin(), data.end(), std::byte{0});
    return;
  }
  slot->reads.fetch_add(1, std::memory_order_relaxed);
  slot->device->Read(address.value - slot->range.base().value, data);
}

void MmioBus::Write(GuestAddress address, absl::Span<const std::byte> data) {
  Slot* slot = Find(address, data.size());
  if (slot == nullptr) {
    unmapped_writes_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  slot->writes.fetch_add(1, std::memory_order_relaxed);
  slot->device->Write(address.value - slot->range.base().value, data);
}

std::vector<MmioAccessCounts> MmioBus::counts() const {
  std::vector<MmioAccessCounts> counts;
  for (const auto& slot : slots_) {
    counts.push_back({.name = slot->name,
                      .range = slot->range,
                      .reads = slot->reads.load(std::memory_order_relaxed),
                      .writes = slot->writes.load(std::memory_order_relaxed)});
  }
  return counts;
}

}  // namespace firn
