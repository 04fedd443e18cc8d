// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What distinguishes the dialects of VGICv5's user-space interface, as data: the code asks these
// flags and never which dialect it is in.
// Source: gicv5-reference 1.1, 1.7 to 1.10, 7.1, 8.4.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_DIALECT_RULES_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_DIALECT_RULES_H_

#include "hypervisor/software/gicv5/dialect.h"

namespace firn::software::gicv5 {

struct DialectRules {
  // There is an IRS, so SPIs, LPIs and the groups ADDR, NR_IRQS, CPU_SYSREGS, IRS_REGS, IST.
  bool has_irs = true;

  // IST: `addr` is a descriptor of two sized buffers, not a flat SPI array.
  bool ist_descriptor = false;
  // IST: LPI state is exchanged with guest memory at IST_BASER.ADDR.
  bool lpi_ist_in_guest_memory = false;
  // IST: SET allocates the host's LPI IST, and so refuses to find one.
  bool ist_set_allocates = false;
  // IST: SET takes each SPI's trigger mode from the HM bit of its entry.
  bool ist_sets_trigger = false;
  // KVM_RUN refuses a VM whose IST_BASER was restored valid and whose IST was not restored.
  bool restore_guard = false;

  // IRS_REGS: the IRS address must be known even for HAS.
  bool irs_has_needs_base = false;
  // IRS_REGS: SET is refused once a vCPU has run.
  bool irs_set_before_run_only = false;
  // IRS_REGS: SET of IST_CFGR, IST_BASER and SPI_CFGR acts as the guest's own write.
  bool ist_registers_as_guest = false;
  bool spi_cfgr_settable = false;
  // IRS_REGS: a host LPI IST freezes IST_CFGR and IST_BASER.
  bool ist_registers_frozen = false;
  // IRS_REGS: every *_STATUSR reads exactly 1, without the V bits that the guest sees.
  bool statusr_idle_only = false;
  // IRS_REGS: every field of a restored IDR is checked.
  bool idr_validation = false;
  // IRS_IDR1.IAFFID_BITS says what the host could, not what this VM's ids need.
  bool iaffid_bits_of_host = false;

  // The guest may access a 64-bit IRS register as two words.
  bool split_access = false;
  // NR_IRQS: only 32 to 1,024 in steps of 32; otherwise CTRL_INIT raises what is too small.
  bool nr_irqs_exact = false;
  // KVM_CREATE_VCPU: the id, not only the count, is limited.
  bool vcpu_id_limit = false;
};

constexpr DialectRules RulesOf(Dialect dialect) {
  DialectRules rules;
  switch (dialect) {
    case Dialect::kPpiOnly:
      rules.has_irs = false;
      break;
    case Dialect::kSeriesV1:
      rules.lpi_ist_in_guest_memory = true;
      rules.irs_has_needs_base = true;
      rules.ist_registers_as_guest = true;
      rules.spi_cfgr_settable = true;
      rules.iaffid_bits_of_host = true;
      break;
    case Dialect::kSeriesV2:
      rules.lpi_ist_in_guest_memory = true;
      rules.ist_set_allocates = true;
      rules.ist_sets_trigger = true;
      rules.irs_has_needs_base = true;
      rules.spi_cfgr_settable = true;
      rules.iaffid_bits_of_host = true;
      break;
    case Dialect::kMerged:
      rules.ist_descriptor = true;
      rules.ist_set_allocates = true;
      rules.ist_sets_trigger = true;
      rules.restore_guard = true;
      rules.irs_set_before_run_only = true;
      rules.ist_registers_frozen = true;
      rules.statusr_idle_only = true;
      rules.idr_validation = true;
      rules.split_access = true;
      rules.nr_irqs_exact = true;
      rules.vcpu_id_limit = true;
      break;
  }
  return rules;
}

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_DIALECT_RULES_H_
