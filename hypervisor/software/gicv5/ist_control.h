// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// IRS_IST_CFGR and IRS_IST_BASER: what the guest, and a restore, say of the LPI IST, and when
// the host's own table is allocated and freed.
// Source: gicv5-reference 1.9, 3.4, 7.2 (rules around R11).
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_IST_CONTROL_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_IST_CONTROL_H_

#include <cstdint>

#include "absl/status/status.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/software/gicv5/dialect_rules.h"
#include "hypervisor/software/gicv5/irs.h"
#include "hypervisor/software/gicv5/irs_id_registers.h"

namespace firn::software::gicv5 {

class IstControl {
 public:
  // `allocation_errno`: what an allocation gives, 0 for success. All outlive this.
  IstControl(const DialectRules& rules, const IrsIdRegisters* ids, Irs* irs,
             const int* allocation_errno);

  uint32_t cfgr() const { return cfgr_; }
  uint64_t baser() const { return baser_; }
  bool valid() const { return (baser_ & kValid) != 0; }

  // The guest's writes.
  void WriteCfgr(uint32_t value);
  void WriteBaser(uint64_t value);

  // SET of group IRS_REGS. EINVAL where a host LPI IST freezes the registers.
  absl::Status RestoreCfgr(uint32_t value);
  absl::Status RestoreBaser(uint64_t value);

  // IST_BASER was restored valid, and no SET of group IST has followed.
  bool restore_pending() const { return restore_pending_; }
  void RestoreDone() { restore_pending_ = false; }

  // The table that the registers describe: a shape that this IRS offers, its bits, its place.
  bool IsCfgrAcceptable() const;
  uint32_t lpi_id_bits() const { return cfgr_ & 0x1f; }
  GuestAddress address() const { return GuestAddress(baser_ & kAddress); }

  // Allocates the host's LPI IST for an acceptable IST_CFGR. ENOMEM and whatever is injected.
  absl::Status Allocate();

 private:
  static constexpr uint64_t kValid = 1;
  static constexpr uint64_t kAddress = 0x00ffffffffffffc0;  // [55:6]
  static constexpr uint32_t kCfgrBits = 0x000101ff;

  const DialectRules rules_;
  const IrsIdRegisters* ids_;
  Irs* irs_;
  const int* allocation_errno_;
  uint32_t cfgr_ = 0;
  uint64_t baser_ = 0;
  bool restore_pending_ = false;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_IST_CONTROL_H_
