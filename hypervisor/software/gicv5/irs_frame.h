// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The IRS CONFIG frame: registers as the guest's MMIO finds them, and as group IRS_REGS saves
// and restores them.
// Source: gicv5-reference 1.9, 3.1 to 3.4.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_FRAME_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_FRAME_H_

#include <cstdint>
#include <set>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hypervisor/software/gicv5/dialect_rules.h"
#include "hypervisor/software/gicv5/irs.h"
#include "hypervisor/software/gicv5/irs_id_registers.h"
#include "hypervisor/software/gicv5/irs_registers.h"
#include "hypervisor/software/gicv5/ist_control.h"
#include "hypervisor/software/gicv5/spi_lines.h"

namespace firn::software::gicv5 {

class IrsFrame {
 public:
  // The pointers outlive the frame.
  IrsFrame(const DialectRules& rules, std::set<uint32_t> vcpu_ids, IrsIdRegisters* ids, Irs* irs,
           SpiLines* lines, IstControl* ist);

  // The guest's loads and stores at `offset` in the frame, 1 to 8 bytes. Wrong widths, holes and
  // unaligned accesses read 0 and ignore writes.
  void MmioRead(uint64_t offset, absl::Span<std::byte> data) const;
  void MmioWrite(uint64_t offset, absl::Span<const std::byte> data);

  // Group IRS_REGS.
  uint64_t UserRead(const IrsRegisterInfo& reg) const;
  absl::Status UserWrite(const IrsRegisterInfo& reg, uint64_t value);

 private:
  uint64_t Read(const IrsRegisterInfo& reg) const;
  void Write(const IrsRegisterInfo& reg, uint64_t value);
  // The part of `reg` that an access covers: true where the access has a legal width and place.
  bool Covers(const IrsRegisterInfo& reg, uint64_t offset, size_t size) const;

  bool spi_selected() const { return spi_selr_ < irs_->spi_count(); }
  bool pe_selected() const { return vcpu_ids_.contains(pe_selr_); }

  const DialectRules rules_;
  const std::set<uint32_t> vcpu_ids_;
  IrsIdRegisters* ids_;
  Irs* irs_;
  SpiLines* lines_;
  IstControl* ist_;

  uint32_t cr1_ = 0;
  uint32_t spi_selr_ = 0xffffff;  // none selected
  uint32_t pe_selr_ = 0xffff;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_FRAME_H_
