// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/irs.h"

#include <algorithm>

namespace firn::software::gicv5 {

Irs::Irs(uint32_t spi_count, uint32_t priority_bits, absl::Span<CpuInterface* const> cpus)
    : priority_mask_(PriorityMask(priority_bits)), spis_(spi_count) {
  for (CpuInterface* cpu : cpus) {
    if (target_by_iaffid_.size() <= cpu->iaffid()) target_by_iaffid_.resize(cpu->iaffid() + 1, -1);
    target_by_iaffid_[cpu->iaffid()] = static_cast<int32_t>(targets_.size());
    targets_.push_back({cpu, CandidateSet(spi_count), CandidateSet(0)});
  }
}

void Irs::SetEnabled(bool enabled) {
  enabled_ = enabled;
  for (Target& target : targets_) Offer(target);
}

void Irs::AllocateLpiIst(uint32_t id_bits) {
  const uint32_t count = uint32_t{1} << id_bits;
  lpis_.assign(count, Iste{});
  for (Target& target : targets_) {
    target.lpis = CandidateSet(count);
    Offer(target);
  }
}

void Irs::FreeLpiIst() {
  lpis_.clear();
  lpis_.shrink_to_fit();
  for (Target& target : targets_) {
    target.lpis = CandidateSet(0);
    Offer(target);
  }
}

std::optional<Iste> Irs::Find(Intid intid) const {
  if (intid.type == IntidType::kSpi && intid.id < spis_.size()) return spis_[intid.id];
  if (intid.type == IntidType::kLpi && intid.id < lpis_.size()) return lpis_[intid.id];
  return std::nullopt;
}

void Irs::Update(Intid intid, Iste entry) {
  Iste& current = intid.type == IntidType::kSpi ? spis_[intid.id] : lpis_[intid.id];
  const Iste old = current;
  if (old == entry) return;
  current = entry;
  Target* const from = old.IsCandidate() ? TargetOf(old) : nullptr;
  Target* const to = entry.IsCandidate() ? TargetOf(entry) : nullptr;
  if (from != nullptr) {
    SetOf(*from, intid.type).Remove(old.priority() & priority_mask_, intid.id);
  }
  if (to != nullptr) {
    SetOf(*to, intid.type).Insert(entry.priority() & priority_mask_, intid.id);
  }
  if (from != nullptr && from != to) Offer(*from);
  if (to != nullptr) Offer(*to);
}

void Irs::Load(IntidType type, absl::Span<const Iste> entries) {
  for (uint32_t id = 0; id < entries.size(); ++id) Update({type, id}, entries[id]);
}

Irs::Target* Irs::TargetOf(Iste entry) {
  // One-of-N routing (IRM) is not offered: IDR0.ONE_N is 0, and every interrupt has one target.
  const uint16_t iaffid = entry.iaffid();
  if (iaffid >= target_by_iaffid_.size() || target_by_iaffid_[iaffid] < 0) return nullptr;
  return &targets_[target_by_iaffid_[iaffid]];
}

void Irs::Offer(Target& target) {
  std::optional<Candidate> best;
  if (enabled_ && !target.lpis.empty()) {
    const CandidateSet::Entry lpi = target.lpis.First();
    best = {{IntidType::kLpi, lpi.id}, lpi.priority};
  }
  // An LPI has the lower INTID and wins a tie.
  if (enabled_ && !target.spis.empty()) {
    const CandidateSet::Entry spi = target.spis.First();
    if (!best || spi.priority < best->priority) {
      best = {{IntidType::kSpi, spi.id}, spi.priority};
    }
  }
  target.cpu->SetIrsCandidate(best);
}

}  // namespace firn::software::gicv5
