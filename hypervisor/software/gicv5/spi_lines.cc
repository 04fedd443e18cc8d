// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/spi_lines.h"

namespace firn::software::gicv5 {

void SpiLines::Drive(uint32_t spi, bool level) {
  Input& input = spis_[spi];
  const bool changed = input.line != level;
  input.line = level;
  // A repeated level is no event; a repeated edge is.
  const bool acts = input.is_level ? changed : level;
  if (!acts) return;
  const Intid intid = {IntidType::kSpi, spi};
  irs_->Update(intid, irs_->Find(intid)->With(Iste::kPending, level));
}

void SpiLines::SetTrigger(uint32_t spi, bool is_level) {
  Input& input = spis_[spi];
  input.is_level = is_level;
  const Intid intid = {IntidType::kSpi, spi};
  Iste entry = *irs_->Find(intid);
  // No transition: the same mode again, or, in the first series, the mode of a restored entry.
  if (entry.Has(Iste::kLevel) == is_level) return;
  entry = entry.With(Iste::kLevel, is_level);
  if (is_level) {
    entry = entry.With(Iste::kPending, input.line);
  } else if (input.line) {
    entry = entry.With(Iste::kPending, false);
  }
  irs_->Update(intid, entry);
}

Iste SpiLines::Reevaluate(uint32_t spi, Iste entry) const {
  return spis_[spi].is_level ? entry.With(Iste::kPending, spis_[spi].line) : entry;
}

}  // namespace firn::software::gicv5
