// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The architected PPIs (gicv5-reference 1.13, 2.4). KVM keeps the first 64 of 128.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_PPI_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_PPI_H_

#include <cstdint>

namespace firn::software::gicv5 {

inline constexpr uint32_t kPpis = 64;

enum Ppi : uint32_t {
  kPpiSecureDoorbell = 0x00,
  kPpiRealmDoorbell = 0x01,
  kPpiDoorbell = 0x02,
  kPpiSoftware = 0x03,  // SW_PPI
  kPpiHacdbs = 0x0f,
  kPpiCnthvs = 0x13,
  kPpiCnthps = 0x14,
  kPpiPmb = 0x15,
  kPpiComm = 0x16,
  kPpiPmu = 0x17,
  kPpiCti = 0x18,
  kPpiMaintenance = 0x19,
  kPpiCnthp = 0x1a,
  kPpiCntv = 0x1b,
  kPpiCnthv = 0x1c,
  kPpiCntps = 0x1d,
  kPpiCntp = 0x1e,
  kPpiTrb = 0x1f,
};

constexpr uint64_t PpiBit(uint32_t ppi) { return uint64_t{1} << ppi; }

// ICC_PPI_HMR0_EL1: those handled as levels. CTIIRQ is implementation defined; here an edge.
inline constexpr uint64_t kLevelPpis =
    PpiBit(kPpiSecureDoorbell) | PpiBit(kPpiRealmDoorbell) | PpiBit(kPpiDoorbell) |
    PpiBit(kPpiHacdbs) | PpiBit(kPpiCnthvs) | PpiBit(kPpiCnthps) | PpiBit(kPpiPmb) |
    PpiBit(kPpiComm) | PpiBit(kPpiPmu) | PpiBit(kPpiMaintenance) | PpiBit(kPpiCnthp) |
    PpiBit(kPpiCntv) | PpiBit(kPpiCnthv) | PpiBit(kPpiCntps) | PpiBit(kPpiCntp) | PpiBit(kPpiTrb);

// GRP_CTRL USERSPACE_PPIS, word 0: what KVM_IRQ_LINE may drive.
inline constexpr uint64_t kUserspacePpis = PpiBit(kPpiSoftware);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_PPI_H_
