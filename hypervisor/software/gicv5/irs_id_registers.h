// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// IRS_IDR0 to IRS_IDR7: what this VM's IRS says of itself, and which of it a restore may change.
// Source: gicv5-reference 1.9, 3.2, 3.5.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_ID_REGISTERS_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_ID_REGISTERS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "hypervisor/software/gicv5/dialect_rules.h"
#include "hypervisor/software/gicv5/vgicv5.h"

namespace firn::software::gicv5 {

// The VM as far as its IRS describes it.
struct IrsVm {
  uint32_t vcpus = 0;
  uint32_t highest_vcpu_id = 0;
  uint32_t spis = 0;
};

class IrsIdRegisters {
 public:
  IrsIdRegisters(const HostLimits& host, const DialectRules& rules, const IrsVm& vm);

  uint32_t idr0() const;
  uint32_t idr1() const;
  uint32_t idr2() const;
  uint32_t idr5() const { return vm_.spis; }
  uint32_t idr6() const { return vm_.spis; }
  uint32_t idr7() const { return 0; }

  uint32_t id_bits() const { return id_bits_; }
  uint32_t min_lpi_id_bits() const { return min_lpi_id_bits_; }

  // SET of group IRS_REGS. EINVAL for what this VM or this host cannot be.
  absl::Status RestoreIdr0(uint32_t value);
  absl::Status RestoreIdr1(uint32_t value);
  absl::Status RestoreIdr2(uint32_t value);
  // IDR5, IDR6, IDR7: `own` is this VM's.
  static absl::Status CheckSame(uint32_t value, uint32_t own);

 private:
  const DialectRules rules_;
  const IrsVm vm_;
  const uint32_t iaffid_bits_;
  const uint32_t host_priority_bits_;
  const uint32_t host_id_bits_;
  const uint32_t host_min_lpi_id_bits_;

  // What a restore may change.
  uint32_t pa_range_;
  uint32_t irsid_ = 0;
  uint32_t priority_bits_;
  uint32_t id_bits_;
  uint32_t min_lpi_id_bits_;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_IRS_ID_REGISTERS_H_
