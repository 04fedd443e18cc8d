// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/ist_control.h"

#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn::software::gicv5 {

IstControl::IstControl(const DialectRules& rules, const IrsIdRegisters* ids, Irs* irs,
                       const int* allocation_errno)
    : rules_(rules), ids_(ids), irs_(irs), allocation_errno_(allocation_errno) {}

bool IstControl::IsCfgrAcceptable() const {
  const uint32_t istsz = cfgr_ >> 7 & 3;
  const bool two_level = (cfgr_ >> 16 & 1) != 0;
  return lpi_id_bits() >= ids_->min_lpi_id_bits() && lpi_id_bits() <= ids_->id_bits() &&
         istsz == 0 && !two_level;
}

absl::Status IstControl::Allocate() {
  if (*allocation_errno_ != 0) return ErrnoStatus(*allocation_errno_, "allocating the LPI IST");
  irs_->AllocateLpiIst(lpi_id_bits());
  return absl::OkStatus();
}

void IstControl::WriteCfgr(uint32_t value) {
  if (!valid()) cfgr_ = value & kCfgrBits;
}

void IstControl::WriteBaser(uint64_t value) {
  const bool validate = (value & kValid) != 0;
  if (valid()) {
    if (validate) return;  // the address is immutable
    irs_->FreeLpiIst();
    baser_ = value & kAddress;
    return;
  }
  baser_ = value & kAddress;
  if (validate && IsCfgrAcceptable() && Allocate().ok()) baser_ |= kValid;
}

absl::Status IstControl::RestoreCfgr(uint32_t value) {
  if (rules_.ist_registers_as_guest) {
    WriteCfgr(value);
    return absl::OkStatus();
  }
  value &= kCfgrBits;
  if (rules_.ist_registers_frozen && irs_->has_lpi_ist() && value != cfgr_) {
    return ErrnoStatus(EINVAL, "IST_CFGR cannot change while an LPI IST exists");
  }
  cfgr_ = value;
  return absl::OkStatus();
}

absl::Status IstControl::RestoreBaser(uint64_t value) {
  if (rules_.ist_registers_as_guest) {
    WriteBaser(value);
    return absl::OkStatus();
  }
  value &= kAddress | kValid;
  if (rules_.ist_registers_frozen && irs_->has_lpi_ist() && value != baser_) {
    return ErrnoStatus(EINVAL, "IST_BASER cannot change while an LPI IST exists");
  }
  if (rules_.restore_guard && !valid() && (value & kValid) != 0) restore_pending_ = true;
  baser_ = value;
  return absl::OkStatus();
}

}  // namespace firn::software::gicv5
