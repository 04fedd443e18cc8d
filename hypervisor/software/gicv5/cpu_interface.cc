// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/cpu_interface.h"

#include <algorithm>
#include <bit>

#include "hypervisor/software/gicv5/encodings.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kCr0Enable = 1 << 0;
// LINK and LINK_IDLE: the link to the IRS is always up.
constexpr uint64_t kCr0Link = 1 << 1 | 1 << 2;
constexpr uint64_t kHppirValid = uint64_t{1} << 32;

constexpr bool IsPriorityRegister(SystemRegister reg, unsigned* n) {
  if (reg.op0 != 3 || reg.op1 != 0 || reg.crn != 12 || (reg.crm != 14 && reg.crm != 15)) {
    return false;
  }
  *n = (reg.crm - 14u) * 8 + reg.op2;
  return true;
}

}  // namespace

CpuInterface::CpuInterface(uint16_t iaffid, uint32_t priority_bits, uint64_t visible_ppis)
    : iaffid_(iaffid), priority_bits_(priority_bits), visible_ppis_(visible_ppis) {}

void CpuInterface::Select() {
  std::optional<Candidate> best;
  // At most 64, and in practice one or two, have their bits set.
  for (uint64_t left = ppi_enabled_ & ppi_pending_ & ~ppi_active_; left != 0; left &= left - 1) {
    const uint32_t ppi = std::countr_zero(left);
    const uint8_t priority = ppi_priority_[ppi] & PriorityMask(priority_bits_);
    if (!best || priority < best->priority) best = {{IntidType::kPpi, ppi}, priority};
  }
  // A PPI wins a tie with the IRS.
  if (irs_candidate_ && (!best || irs_candidate_->priority < best->priority)) {
    best = irs_candidate_;
  }
  // Priorities below this number pass.
  const unsigned running = apr_ == 0 ? kPriorities : std::countr_zero(apr_);
  const unsigned limit = enabled_ ? std::min<unsigned>(running, pcr_ + 1u) : 0;
  if (best && best->priority >= limit) best.reset();
  highest_pending_ = best;
}

void CpuInterface::SetIrsCandidate(std::optional<Candidate> candidate) {
  irs_candidate_ = candidate;
  Select();
}

uint64_t CpuInterface::ReadPriorities(unsigned n) const {
  if (n >= 8) return 0;
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= uint64_t{ppi_priority_[8 * n + i]} << 8 * i;
  return value;
}

void CpuInterface::WritePriorities(unsigned n, uint64_t value) {
  if (n >= 8) return;
  for (unsigned i = 0; i < 8; ++i) ppi_priority_[8 * n + i] = value >> 8 * i & 0x1f;
  Select();
}

bool CpuInterface::Read(SystemRegister reg, uint64_t* value) const {
  // What CPU_SYSREGS reads, the guest reads alike.
  if (UserRead(reg, value)) return true;
  switch (reg.packed()) {
    case kIccPpiHmr0.packed():
      *value = kLevelPpis;
      return true;
    case kIccIdr0.packed():  // ID_BITS 0: 16
      *value = uint64_t{priority_bits_ - 1} << 4;
      return true;
    case kIccHppir.packed():
      *value = highest_pending_ ? kHppirValid | highest_pending_->intid.packed() : 0;
      return true;
    case kIccIaffidr.packed():
      *value = iaffid_;
      return true;
    case kIccPpiCactiver0.packed():
      *value = ppi_active_;
      return true;
    case kIccPpiCpendr0.packed():
      *value = ppi_pending_;
      return true;
    case kIccPpiHmr1.packed():
    case kIccPpiCactiver1.packed():
    case kIccPpiCpendr1.packed():
      *value = 0;
      return true;
    default:
      return false;
  }
}

bool CpuInterface::Write(SystemRegister reg, uint64_t value) {
  unsigned n = 0;
  if (IsPriorityRegister(reg, &n)) {
    WritePriorities(n, value & 0x0101010101010101u * PriorityMask(priority_bits_));
    return true;
  }
  const uint64_t edges = value & visible_ppis_ & ~kLevelPpis;
  switch (reg.packed()) {
    case kIccPpiEnabler0.packed():
      ppi_enabled_ = value & visible_ppis_;
      break;
    case kIccPpiCactiver0.packed():
      ppi_active_ &= ~value;
      break;
    case kIccPpiSactiver0.packed():
      ppi_active_ |= value & visible_ppis_;
      break;
    case kIccPpiCpendr0.packed():
      ppi_pending_ &= ~edges;
      break;
    case kIccPpiSpendr0.packed():
      ppi_pending_ |= edges;
      break;
    case kIccPcr.packed():
      pcr_ = value & PriorityMask(priority_bits_);
      break;
    case kIccPpiCactiver1.packed():
    case kIccPpiCpendr1.packed():
      return true;
    default:
      // The rest is written by the guest as it is by user space, or is read-only.
      return UserWrite(reg, value);
  }
  Select();
  return true;
}

void CpuInterface::RaiseRunningPriority(uint8_t priority) {
  apr_ |= uint32_t{1} << priority;
  Select();
}

void CpuInterface::DropRunningPriority() {
  apr_ &= apr_ - 1;
  Select();
}

void CpuInterface::AcknowledgePpi(uint32_t ppi) {
  ppi_active_ |= PpiBit(ppi);
  ppi_pending_ &= ~(PpiBit(ppi) & ~kLevelPpis);
  Select();
}

void CpuInterface::DeactivatePpi(uint32_t ppi) {
  ppi_active_ &= ~PpiBit(ppi);
  Select();
}

void CpuInterface::SetIcsr(uint64_t value) { icsr_ = value; }

void CpuInterface::DrivePpi(uint32_t ppi, bool level) {
  const uint64_t bit = PpiBit(ppi) & visible_ppis_;
  const uint64_t before = ppi_pending_;
  if (level) {
    ppi_pending_ |= bit;
  } else {
    ppi_pending_ &= ~(bit & kLevelPpis);
  }
  if (ppi_pending_ != before) Select();
}

void CpuInterface::HideInvisiblePpis() {
  ppi_enabled_ &= visible_ppis_;
  ppi_active_ &= visible_ppis_;
  ppi_pending_ &= visible_ppis_;
  Select();
}

bool CpuInterface::IsUserRegister(SystemRegister reg) {
  unsigned n = 0;
  if (IsPriorityRegister(reg, &n)) return true;
  switch (reg.packed()) {
    case kIccIcsr.packed():
    case kIccPpiEnabler0.packed():
    case kIccPpiEnabler1.packed():
    case kIccPpiSactiver0.packed():
    case kIccPpiSactiver1.packed():
    case kIccPpiSpendr0.packed():
    case kIccPpiSpendr1.packed():
    case kIccApr.packed():
    case kIccCr0.packed():
    case kIccPcr.packed():
      return true;
    default:
      return false;
  }
}

bool CpuInterface::UserRead(SystemRegister reg, uint64_t* value) const {
  unsigned n = 0;
  if (IsPriorityRegister(reg, &n)) {
    *value = ReadPriorities(n);
    return true;
  }
  switch (reg.packed()) {
    case kIccIcsr.packed():
      *value = icsr_;
      return true;
    case kIccPpiEnabler0.packed():
      *value = ppi_enabled_;
      return true;
    case kIccPpiSactiver0.packed():
      *value = ppi_active_;
      return true;
    case kIccPpiSpendr0.packed():
      *value = ppi_pending_;
      return true;
    case kIccApr.packed():
      *value = apr_;
      return true;
    case kIccCr0.packed():
      *value = kCr0Link | (enabled_ ? kCr0Enable : 0);
      return true;
    case kIccPcr.packed():
      *value = pcr_;
      return true;
    case kIccPpiEnabler1.packed():
    case kIccPpiSactiver1.packed():
    case kIccPpiSpendr1.packed():
      *value = 0;
      return true;
    default:
      return false;
  }
}

bool CpuInterface::UserWrite(SystemRegister reg, uint64_t value) {
  unsigned n = 0;
  if (IsPriorityRegister(reg, &n)) {
    WritePriorities(n, value);
    return true;
  }
  switch (reg.packed()) {
    case kIccIcsr.packed():
      icsr_ = value;
      return true;
    case kIccPpiEnabler0.packed():
      ppi_enabled_ = value;
      break;
    case kIccPpiSactiver0.packed():
      ppi_active_ = value;
      break;
    case kIccPpiSpendr0.packed():
      ppi_pending_ = value;
      break;
    case kIccApr.packed():
      apr_ = static_cast<uint32_t>(value);
      break;
    case kIccCr0.packed():
      enabled_ = (value & kCr0Enable) != 0;
      break;
    case kIccPcr.packed():
      pcr_ = value & 0x1f;
      break;
    case kIccPpiEnabler1.packed():
    case kIccPpiSactiver1.packed():
    case kIccPpiSpendr1.packed():
      return true;
    default:
      return false;
  }
  Select();
  return true;
}

}  // namespace firn::software::gicv5
