// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/memory_map.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

constexpr uint32_t kMaxSlots = 32;
// One table of level 3.
constexpr uint64_t kMappedAtOnce = 2 << 20;

absl::Status Refuse(int error_number, const MemorySlot& slot, std::string_view why) {
  return ErrnoStatus(error_number, absl::StrCat("KVM_SET_USER_MEMORY_REGION(slot ", slot.slot,
                                                " at ", slot.address, "): ", why));
}

void SetBit(std::vector<uint64_t>& bitmap, uint64_t bit) {
  bitmap[bit / 64] |= uint64_t{1} << bit % 64;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryMap>> MemoryMap::Create(int ipa_bits, Engine* engine) {
  absl::StatusOr<std::unique_ptr<Stage2>> stage2 = Stage2::Create();
  if (!stage2.ok()) return stage2.status();
  absl::Status status =
      engine->MapMemory(Stage2::kPhysicalBase, Stage2::memory_size(), (*stage2)->memory());
  if (!status.ok()) return status;
  engine->SetStage2((*stage2)->vttbr(), (*stage2)->vtcr());
  return std::unique_ptr<MemoryMap>(new MemoryMap(ipa_bits, engine, *std::move(stage2)));
}

absl::Status MemoryMap::Check(const MemorySlot& slot) const {
  const uint64_t host = reinterpret_cast<uintptr_t>(slot.host);
  if (slot.slot >= kMaxSlots) return Refuse(EINVAL, slot, "no such slot");
  if ((slot.flags & ~(kvm::kMemLogDirtyPages | kvm::kMemReadonly)) != 0) {
    return Refuse(EINVAL, slot, "unknown flags");
  }
  if ((slot.address.value | slot.size | host) % kGuestPageSize != 0) {
    return Refuse(EINVAL, slot, "not aligned to 4 KiB");
  }
  const std::optional<GuestRange> range = GuestRange::Create(slot.address, slot.size);
  if (!range || range->end().value > uint64_t{1} << ipa_bits_) {
    return Refuse(EINVAL, slot, "beyond the guest physical address space");
  }
  for (const auto& [number, other] : slots_) {
    if (number != slot.slot && other.range.Overlaps(*range)) {
      return Refuse(EEXIST, slot, absl::StrCat("overlaps slot ", number));
    }
  }
  return absl::OkStatus();
}

absl::Status MemoryMap::SetSlot(const MemorySlot& config) {
  if (absl::Status status = Check(config); !status.ok()) return status;
  auto existing = slots_.find(config.slot);
  if (config.size == 0 && existing == slots_.end()) {
    return Refuse(EINVAL, config, "deletes a slot that is not there");
  }
  if (existing != slots_.end()) {
    const MemorySlot& old = existing->second.config;
    if (config.size == old.size && config.host == old.host && config.flags == old.flags &&
        config.address == old.address) {
      return absl::OkStatus();
    }
    // KVM changes flags in place, but moves neither size nor host memory nor read-only.
    if (config.size != 0 && (config.size != old.size || config.host != old.host ||
                             ((config.flags ^ old.flags) & kvm::kMemReadonly) != 0)) {
      return Refuse(EINVAL, config, "changes an existing slot; delete it first");
    }
    absl::Status status = UnmapInEngine(existing->second);
    if (!status.ok()) return status;
    slots_.erase(existing);
  }
  if (config.size != 0) {
    Slot slot{.config = config, .range = *GuestRange::Create(config.address, config.size)};
    if (slot.logs()) slot.dirty.resize((config.size / kGuestPageSize + 63) / 64);
    if (absl::Status status = MapInEngine(slot); !status.ok()) return status;
    slots_.emplace(config.slot, std::move(slot));
  }
  ClearStage2();
  return absl::OkStatus();
}

absl::Status MemoryMap::MapInEngine(const Slot& slot) {
  return engine_->MapMemory(slot.config.address.value, slot.config.size, slot.config.host);
}

absl::Status MemoryMap::UnmapInEngine(const Slot& slot) {
  engine_->DropAllCode();
  return engine_->UnmapMemory(slot.config.address.value, slot.config.size);
}

void MemoryMap::ClearStage2() {
  stage2_->Clear();
  engine_->FlushTlb();
}

// So that the start of a guest does not take longer with more memory.
void MemoryMap::MapAround(const Slot& slot, uint64_t address) {
  const uint64_t chunk = address & ~(kMappedAtOnce - 1);
  const uint64_t begin = std::max(chunk, slot.config.address.value);
  const uint64_t end = std::min(chunk + kMappedAtOnce, slot.range.end().value);
  stage2_->Map(begin, end - begin, !slot.read_only() && !slot.logs());
}

absl::StatusOr<std::vector<uint64_t>> MemoryMap::GetDirtyLog(uint32_t number) {
  auto found = slots_.find(number);
  if (found == slots_.end() || !found->second.logs()) {
    return ErrnoStatus(ENOENT, absl::StrCat("KVM_GET_DIRTY_LOG(slot ", number, ")"));
  }
  Slot& slot = found->second;
  std::vector<uint64_t> dirty(slot.dirty.size());
  std::swap(dirty, slot.dirty);
  if (!slot.read_only()) {
    for (size_t word = 0; word < dirty.size(); ++word) {
      for (uint64_t bits = dirty[word]; bits != 0; bits &= bits - 1) {
        const uint64_t page = word * 64 + static_cast<uint64_t>(__builtin_ctzll(bits));
        stage2_->SetWritable(slot.config.address.value + page * kGuestPageSize, false);
      }
    }
  }
  engine_->FlushTlb();
  return dirty;
}

MemoryMap::Slot* MemoryMap::Find(GuestAddress address, uint64_t size) {
  for (auto& [number, slot] : slots_) {
    if (slot.range.Contains(address, size)) return &slot;
  }
  return nullptr;
}

std::byte* MemoryMap::Host(GuestAddress address, uint64_t size, bool for_write) {
  Slot* slot = Find(address, size);
  if (slot == nullptr || (for_write && slot->read_only())) return nullptr;
  const uint64_t offset = address.value - slot->config.address.value;
  if (for_write && slot->logs() && size > 0) {
    const uint64_t last = (offset + size - 1) / kGuestPageSize;
    for (uint64_t page = offset / kGuestPageSize; page <= last; ++page) {
      SetBit(slot->dirty, page);
    }
  }
  return slot->config.host + offset;
}

bool MemoryMap::MapPage(GuestAddress address) {
  const Slot* slot = Find(address, 1);
  if (slot == nullptr) return false;
  if (!stage2_->IsMapped(address.value)) MapAround(*slot, address.value);
  return true;
}

bool MemoryMap::HandleFault(GuestAddress address, bool is_write) {
  Slot* slot = Find(address, 1);
  if (slot == nullptr) return false;
  if (!stage2_->IsMapped(address.value)) {
    MapAround(*slot, address.value);
    return true;
  }
  if (!is_write || slot->read_only() || !slot->logs()) return false;
  const uint64_t page = (address.value - slot->config.address.value) / kGuestPageSize;
  SetBit(slot->dirty, page);
  stage2_->SetWritable(slot->config.address.value + page * kGuestPageSize, true);
  return true;
}

}  // namespace firn::software
