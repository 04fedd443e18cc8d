// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/split_rings.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace firn::virtio {
namespace {

// Layouts of sections 2.7.6 and 2.7.8: flags, idx, entries, event.
constexpr size_t kFlags = 0;
constexpr size_t kIndex = 2;
constexpr size_t kEntries = 4;

struct Part {
  std::string_view name;
  uint64_t address;
  uint64_t size;
  uint64_t alignment;
};

absl::StatusOr<GuestRange> CheckPart(const GuestMemory& memory, const Part& part) {
  const GuestAddress address(part.address);
  if (!address.IsAligned(part.alignment)) {
    return absl::InvalidArgumentError(absl::StrFormat("the %s at 0x%x is not aligned to %d bytes",
                                                      part.name, part.address, part.alignment));
  }
  const std::optional<GuestRange> range = GuestRange::Create(address, part.size);
  if (!range || !memory.Contains(address, part.size)) {
    return absl::InvalidArgumentError(absl::StrFormat("the %s at 0x%x+0x%x is not in guest memory",
                                                      part.name, part.address, part.size));
  }
  return *range;
}

template <typename T>
T LoadRelaxed(std::byte* host) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(host)).load(std::memory_order_relaxed);
}

}  // namespace

absl::StatusOr<SplitRings> SplitRings::Create(GuestMemory& memory, const QueueSettings& settings,
                                              uint16_t max_size) {
  if (settings.size == 0 || settings.size > max_size || !std::has_single_bit(settings.size)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "queue size %d is not a power of two from 1 to %d", settings.size, max_size));
  }
  const uint64_t size = settings.size;
  const std::array<Part, 3> parts = {
      {{"descriptor table", settings.descriptor_table, 16 * size, 16},
       {"available ring", settings.avail_ring, kEntries + 2 * size + 2, 2},
       {"used ring", settings.used_ring, kEntries + 8 * size + 2, 4}}};
  std::array<GuestRange, 3> ranges;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StatusOr<GuestRange> range = CheckPart(memory, parts[i]);
    if (!range.ok()) return range.status();
    for (size_t j = 0; j < i; ++j) {
      if (ranges[j].Overlaps(*range)) {
        return absl::InvalidArgumentError(
            absl::StrFormat("the %s overlaps the %s", parts[i].name, parts[j].name));
      }
    }
    ranges[i] = *range;
  }
  SplitRings rings(memory, settings, static_cast<uint16_t>(size));
  std::array<std::byte**, 3> hosts = {&rings.descriptors_, &rings.avail_, &rings.used_};
  for (size_t i = 0; i < hosts.size(); ++i) {
    absl::StatusOr<absl::Span<const std::byte>> host =
        memory.HostRange(ranges[i].base(), ranges[i].size());
    if (!host.ok()) return host.status();
    // Atomic loads need a non-const object; only the used ring is stored to, with MarkDirty.
    *hosts[i] = const_cast<std::byte*>(host->data());
  }
  return rings;
}

SplitRings::SplitRings(GuestMemory& memory, const QueueSettings& settings, uint16_t size)
    : memory_(&memory), size_(size), used_address_(settings.used_ring) {}

Descriptor SplitRings::LoadDescriptor(uint16_t index) const {
  std::byte* host = descriptors_ + size_t{16} * index;
  const std::array<uint64_t, 2> words = {LoadRelaxed<uint64_t>(host),
                                         LoadRelaxed<uint64_t>(host + 8)};
  return std::bit_cast<Descriptor>(words);
}

uint16_t SplitRings::LoadAvail16(size_t offset) const {
  return std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(avail_ + offset))
      .load(std::memory_order_acquire);
}

uint16_t SplitRings::LoadAvailIndex() const { return LoadAvail16(kIndex); }
uint16_t SplitRings::LoadAvailFlags() const { return LoadAvail16(kFlags); }
uint16_t SplitRings::LoadAvailEntry(uint16_t position) const {
  return LoadAvail16(kEntries + size_t{2} * (position & (size_ - 1)));
}
uint16_t SplitRings::LoadUsedEvent() const { return LoadAvail16(kEntries + size_t{2} * size_); }

void SplitRings::StoreUsed16(size_t offset, uint16_t value) {
  std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(used_ + offset))
      .store(value, std::memory_order_release);
  memory_->MarkDirty(GuestAddress(used_address_ + offset), sizeof(value));
}

void SplitRings::StoreUsedFlags(uint16_t flags) { StoreUsed16(kFlags, flags); }
void SplitRings::StoreUsedIndex(uint16_t index) { StoreUsed16(kIndex, index); }
void SplitRings::StoreAvailEvent(uint16_t index) {
  StoreUsed16(kEntries + size_t{8} * size_, index);
}

void SplitRings::StoreUsedEntry(uint16_t position, const UsedElement& element) {
  const size_t offset = kEntries + size_t{8} * (position & (size_ - 1));
  memcpy(used_ + offset, &element, sizeof(element));
  memory_->MarkDirty(GuestAddress(used_address_ + offset), sizeof(element));
}

}  // namespace firn::virtio
