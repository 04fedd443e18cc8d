// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/candidate_set.h"

#include <bit>

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t Bit(uint32_t n) { return uint64_t{1} << (n % 64); }
constexpr uint32_t Words(uint32_t bits) { return (bits + 63) / 64; }

}  // namespace

IdBitmap::IdBitmap(uint32_t size) : leaves_(Words(size)), branches_(Words(Words(size))) {}

void IdBitmap::Insert(uint32_t id) {
  const uint32_t leaf = id / 64;
  const uint32_t branch = leaf / 64;
  leaves_[leaf] |= Bit(id);
  branches_[branch] |= Bit(leaf);
  root_ |= Bit(branch);
}

void IdBitmap::Remove(uint32_t id) {
  const uint32_t leaf = id / 64;
  const uint32_t branch = leaf / 64;
  leaves_[leaf] &= ~Bit(id);
  if (leaves_[leaf] != 0) return;
  branches_[branch] &= ~Bit(leaf);
  if (branches_[branch] == 0) root_ &= ~Bit(branch);
}

uint32_t IdBitmap::First() const {
  const uint32_t branch = std::countr_zero(root_);
  const uint32_t leaf = branch * 64 + std::countr_zero(branches_[branch]);
  return leaf * 64 + std::countr_zero(leaves_[leaf]);
}

void CandidateSet::Insert(uint8_t priority, uint32_t id) {
  std::unique_ptr<IdBitmap>& bitmap = by_priority_[priority];
  if (bitmap == nullptr) bitmap = std::make_unique<IdBitmap>(size_);
  bitmap->Insert(id);
  priorities_ |= uint32_t{1} << priority;
}

void CandidateSet::Remove(uint8_t priority, uint32_t id) {
  IdBitmap* const bitmap = by_priority_[priority].get();
  if (bitmap == nullptr) return;
  bitmap->Remove(id);
  if (bitmap->empty()) priorities_ &= ~(uint32_t{1} << priority);
}

CandidateSet::Entry CandidateSet::First() const {
  const auto priority = static_cast<uint8_t>(std::countr_zero(priorities_));
  return {priority, by_priority_[priority]->First()};
}

}  // namespace firn::software::gicv5
