// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The GICv5 CPU interface of one vCPU: its ICC_* registers, its PPIs, and the choice between
// those and what the IRS offers.
// Source: gicv5-reference 2.2, 5.2 to 5.6.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_CPU_INTERFACE_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_CPU_INTERFACE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "hypervisor/register_id.h"
#include "hypervisor/software/gicv5/intid.h"
#include "hypervisor/software/gicv5/ppi.h"

namespace firn::software::gicv5 {

class CpuInterface {
 public:
  // `visible_ppis`: those with a source, and SW_PPI; the others do not exist for the guest.
  CpuInterface(uint16_t iaffid, uint32_t priority_bits, uint64_t visible_ppis);

  uint16_t iaffid() const { return iaffid_; }

  // --- Selection: kept current by every change, so that asking is a load --------------------

  // The interrupt that passes priority mask and running priority.
  const std::optional<Candidate>& highest_pending() const { return highest_pending_; }
  bool irq_asserted() const { return highest_pending_.has_value(); }
  bool nmi_asserted() const { return highest_pending_ && highest_pending_->priority == 0; }

  // The best SPI or LPI that the IRS has for this vCPU.
  void SetIrsCandidate(std::optional<Candidate> candidate);

  // --- The guest's registers (EL1); false: UNDEFINED ----------------------------------------

  bool Read(SystemRegister reg, uint64_t* value) const;
  bool Write(SystemRegister reg, uint64_t value);

  // --- What instructions and sources do -----------------------------------------------------

  void RaiseRunningPriority(uint8_t priority);  // CDIA
  void DropRunningPriority();                   // CDEOI
  void AcknowledgePpi(uint32_t ppi);            // ppi < kPpis, also below
  void DeactivatePpi(uint32_t ppi);
  void SetIcsr(uint64_t value);  // CDRCFG
  // A level PPI follows `level`; an edge PPI becomes pending where `level` is true.
  void DrivePpi(uint32_t ppi, bool level);

  // Before the first entry into the guest: forgets the state of PPIs that are not visible.
  void HideInvisiblePpis();

  // --- Group CPU_SYSREGS: the registers as KVM stores them (reference 1.8) --------------------

  // False where the register is not one of the 26.
  bool UserRead(SystemRegister reg, uint64_t* value) const;
  bool UserWrite(SystemRegister reg, uint64_t value);
  static bool IsUserRegister(SystemRegister reg);

 private:
  void Select();
  uint64_t ReadPriorities(unsigned n) const;
  void WritePriorities(unsigned n, uint64_t value);

  const uint16_t iaffid_;
  const uint32_t priority_bits_;
  const uint64_t visible_ppis_;

  bool enabled_ = false;  // ICC_CR0_EL1.EN
  uint8_t pcr_ = 0;
  uint32_t apr_ = 0;
  uint64_t icsr_ = 0;
  uint64_t ppi_enabled_ = 0;
  uint64_t ppi_active_ = 0;
  uint64_t ppi_pending_ = 0;  // of a level PPI its line, of an edge PPI its latch
  std::array<uint8_t, kPpis> ppi_priority_{};

  std::optional<Candidate> irs_candidate_;
  std::optional<Candidate> highest_pending_;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_CPU_INTERFACE_H_
