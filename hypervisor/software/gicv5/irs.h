// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The Interrupt Routing Service: state of every SPI and LPI in the host's Interrupt State Tables,
// and the best candidate of each vCPU, told to its CPU interface whenever it changes.
// Source: gicv5-reference 3.4, 4.1, 5.1 to 5.4.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "hypervisor/software/gicv5/candidate_set.h"
#include "hypervisor/software/gicv5/cpu_interface.h"
#include "hypervisor/software/gicv5/intid.h"
#include "hypervisor/software/gicv5/iste.h"

namespace firn::software::gicv5 {

class Irs {
 public:
  // The interfaces outlive the IRS.
  Irs(uint32_t spi_count, uint32_t priority_bits, absl::Span<CpuInterface* const> cpus);

  // IRS_CR0.IRSEN: without it no SPI and no LPI is a candidate.
  bool enabled() const { return enabled_; }
  void SetEnabled(bool enabled);

  uint8_t priority_mask() const { return priority_mask_; }
  uint32_t spi_count() const { return static_cast<uint32_t>(spis_.size()); }

  // The host's LPI IST: 2^id_bits entries (id_bits at most 16), all zero at first.
  bool has_lpi_ist() const { return !lpis_.empty(); }
  uint32_t lpi_count() const { return static_cast<uint32_t>(lpis_.size()); }
  void AllocateLpiIst(uint32_t id_bits);
  void FreeLpiIst();

  // The entry of an SPI or LPI; nothing for a PPI, an id out of range or without an LPI IST.
  std::optional<Iste> Find(Intid intid) const;
  // Replaces the entry of an interrupt that Find finds.
  void Update(Intid intid, Iste entry);

  // All entries in order of id; Load takes as many as there are.
  absl::Span<const Iste> spis() const { return spis_; }
  absl::Span<const Iste> lpis() const { return lpis_; }
  void Load(IntidType type, absl::Span<const Iste> entries);

 private:
  struct Target {
    CpuInterface* cpu;
    CandidateSet spis;
    CandidateSet lpis;
  };

  Target* TargetOf(Iste entry);
  CandidateSet& SetOf(Target& target, IntidType type) {
    return type == IntidType::kSpi ? target.spis : target.lpis;
  }
  void Offer(Target& target);

  const uint8_t priority_mask_;
  bool enabled_ = false;
  std::vector<Iste> spis_;
  std::vector<Iste> lpis_;
  std::vector<Target> targets_;
  std::vector<int32_t> target_by_iaffid_;  // -1: no vCPU has it
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_H_
