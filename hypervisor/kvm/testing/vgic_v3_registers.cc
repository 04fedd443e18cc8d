// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/vgic_v3_registers.h"

#include <cerrno>

#include "hypervisor/kvm_abi.h"
#include "hypervisor/register_id.h"

namespace firn::kvm::testing {
namespace {

constexpr uint32_t kPrivateIrqs = 32;
constexpr uint64_t kSgiBase = 0x1'0000;  // of a redistributor's second frame
constexpr uint64_t kIidr = 0x4b00'343b, kItsIidr = 0x4b00'043b, kRevision = 0xf000;
constexpr uint64_t kPriorityBits = 5, kIdBits = 1;
constexpr uint64_t kIccCtlr = (kPriorityBits - 1) << 8 | kIdBits << 11;
constexpr uint64_t kIccCtlrWritable = 0x3;  // CBPR, EOImode

// Rows of registers with so many bits for each interrupt, at the same offsets in the distributor
// and, for the private interrupts, in a redistributor's SGI frame.
struct Row {
  uint64_t offset;
  uint32_t bits;
  uint64_t sets;  // the row whose bits a write sets or clears; itself: plain
  bool clears = false;
};
constexpr Row kRows[] = {
    {0x0080, 1, 0x0080},                                   // IGROUPR
    {0x0100, 1, 0x0100},       {0x0180, 1, 0x0100, true},  // ISENABLER, ICENABLER
    {0x0200, 1, 0x0200},       {0x0300, 1, 0x0300},
    {0x0380, 1, 0x0300, true},                       // ISPENDR, I[SC]ACTIVER
    {0x0400, 8, 0x0400},       {0x0c00, 2, 0x0c00},  // IPRIORITYR, ICFGR
};
constexpr uint64_t kIgroupr = 0x0080, kIsenabler = 0x0100;

bool IsSetRow(uint64_t offset) { return offset == 0x0100 || offset == 0x0300; }

}  // namespace

void VgicV3Registers::AddVcpu(uint32_t id) { affinities_.insert(MpidrAffinity(id)); }

std::optional<size_t> VgicV3Registers::WidthOf(uint32_t group) {
  switch (group) {
    case kVgicGrpDistRegs:
    case kVgicGrpRedistRegs:
    case kVgicGrpLevelInfo:
      return sizeof(uint32_t);
    case kVgicGrpCpuSysregs:
    case kVgicGrpItsRegs:
      return sizeof(uint64_t);
    default:
      return std::nullopt;
  }
}

std::optional<VgicV3Registers::Register> VgicV3Registers::FindDistributor(uint64_t offset) const {
  Register r = {.group = kVgicGrpDistRegs, .storage = offset};
  switch (offset) {
    case 0x0000:
      r.reset = 0x50, r.writable = 0x2;
      return r;
    case 0x0004:
      r.kind = Register::Kind::kReadOnly;
      r.reset = irqs_ / 32 - 1 + (has_its_ ? 15 << 19 | 1 << 17 : 9 << 19);
      return r;
    case 0x0008:
      r.kind = Register::Kind::kChecked, r.reset = kIidr, r.writable = kRevision;
      return r;
    case 0x000c:
      r.kind = Register::Kind::kChecked, r.writable = 0;
      return r;
    case 0x0010:
      r.kind = Register::Kind::kReadOnly, r.reset = 0xffff'ffff;
      return r;
    default:
      break;
  }
  if (offset >= 0x6000 && offset < 0x8000) {
    const uint64_t intid = (offset - 0x6000) / 8;
    const bool is_there = intid >= kPrivateIrqs && intid < irqs_ && offset % 8 == 0;
    if (!is_there) r.kind = Register::Kind::kReadOnly;
    r.writable = 0xff'ffff;
    return r;
  }
  for (const Row& row : kRows) {
    if (offset < row.offset || offset >= row.offset + 1024 / 8 * row.bits) continue;
    const uint64_t intid = (offset - row.offset) * 8 / row.bits;
    r.storage = offset - row.offset + row.sets;
    if (intid < kPrivateIrqs || intid >= irqs_)
      r.kind = Register::Kind::kReadOnly;
    else if (row.clears)
      r.kind = Register::Kind::kClear;
    else if (IsSetRow(row.offset))
      r.kind = Register::Kind::kSet;
    if (row.offset == kIgroupr) r.reset = 0xffff'ffff;
    return r;
  }
  return std::nullopt;
}

std::optional<VgicV3Registers::Register> VgicV3Registers::FindRedistributor(uint64_t attr) const {
  const uint64_t affinity = attr >> 32, offset = attr & 0xffff'ffff;
  Register r = {.group = kVgicGrpRedistRegs, .storage = attr};
  switch (offset) {
    case 0x0000:
      r.writable = has_its_ ? 1 : 0;
      return r;
    case 0x0008:
    case 0x000c:
    case 0x0010:
    case 0x0014:
      r.kind = Register::Kind::kReadOnly;
      r.reset = offset == 0x000c ? affinity : offset == 0x0008 && has_its_ ? 1 : 0;
      return r;
    case 0x0070:  // one for all
    case 0x0074:
      r.storage = offset;
      return r;
    case 0x0078:
    case 0x007c:
      return r;
    default:
      break;
  }
  if (offset < kSgiBase) return std::nullopt;
  for (const Row& row : kRows) {
    const uint64_t place = offset - kSgiBase - row.offset;
    if (offset < kSgiBase + row.offset || place >= kPrivateIrqs / 8 * row.bits) continue;
    r.storage = affinity << 32 | (kSgiBase + row.sets + place);
    if (row.clears)
      r.kind = Register::Kind::kClear;
    else if (IsSetRow(row.offset))
      r.kind = Register::Kind::kSet;
    if (row.offset == 0x0c00) {
      r.kind = Register::Kind::kReadOnly;
      r.reset = place == 0 ? 0xaaaa'aaaa : 0;
    }
    if (row.sets == kIsenabler) r.reset = 0xffff;  // SGIs
    if (row.offset == kIgroupr) r.reset = 0xffff'ffff;
    return r;
  }
  return std::nullopt;
}

std::optional<VgicV3Registers::Register> VgicV3Registers::FindSysreg(uint64_t attr) const {
  Register r = {.group = kVgicGrpCpuSysregs, .storage = attr};
  switch (attr & 0xffff'ffff) {
    case SystemRegister{3, 0, 12, 12, 5}.packed():  // ICC_SRE_EL1
      r.kind = Register::Kind::kChecked, r.reset = 7, r.writable = ~uint64_t{1};
      return r;
    case SystemRegister{3, 0, 12, 12, 4}.packed():  // ICC_CTLR_EL1
      r.kind = Register::Kind::kChecked, r.reset = kIccCtlr, r.writable = kIccCtlrWritable;
      return r;
    case SystemRegister{3, 0, 4, 6, 0}.packed():  // ICC_PMR_EL1
      r.writable = 0xff;
      return r;
    case SystemRegister{3, 0, 12, 8, 3}.packed():   // ICC_BPR0_EL1
    case SystemRegister{3, 0, 12, 12, 3}.packed():  // ICC_BPR1_EL1
      r.writable = 7;
      return r;
    case SystemRegister{3, 0, 12, 8, 4}.packed():  // ICC_AP0R0_EL1
    case SystemRegister{3, 0, 12, 9, 0}.packed():  // ICC_AP1R0_EL1
      r.writable = 0xffff'ffff;
      return r;
    case SystemRegister{3, 0, 12, 12, 6}.packed():  // ICC_IGRPEN0_EL1
    case SystemRegister{3, 0, 12, 12, 7}.packed():  // ICC_IGRPEN1_EL1
      r.writable = 1;
      return r;
    default:
      return std::nullopt;
  }
}

std::optional<VgicV3Registers::Register> VgicV3Registers::FindIts(uint64_t offset) const {
  Register r = {.group = kVgicGrpItsRegs, .storage = offset};
  switch (offset) {
    case 0x0000:
      r.writable = 1;
      return r;
    case 0x0004:
      r.kind = Register::Kind::kChecked, r.reset = kItsIidr, r.writable = kRevision;
      return r;
    case 0x0008:
      r.kind = Register::Kind::kReadOnly, r.reset = 0x1eb71;
      return r;
    case 0x0080:
      r.kind = Register::Kind::kCbaser, r.writable = ~uint64_t{0xf000};
      return r;
    case 0x0088:
      r.writable = 0xf'ffe0;
      return r;
    case 0x0090:
      r.kind = Register::Kind::kCreadr, r.writable = 0xf'ffe0;
      return r;
    default:
      if (offset < 0x0100 || offset >= 0x0140 || offset % 8 != 0) return std::nullopt;
      if (offset > 0x0108) r.kind = Register::Kind::kReadOnly;
      return r;
  }
}

std::optional<VgicV3Registers::Register> VgicV3Registers::Find(uint32_t group,
                                                               uint64_t attr) const {
  switch (group) {
    case kVgicGrpDistRegs:
      return attr % 4 == 0 ? FindDistributor(attr & 0xffff'ffff) : std::nullopt;
    case kVgicGrpRedistRegs:
      return attr % 4 == 0 ? FindRedistributor(attr) : std::nullopt;
    case kVgicGrpCpuSysregs:
      return FindSysreg(attr);
    case kVgicGrpItsRegs:
      return FindIts(attr);
    case kVgicGrpLevelInfo: {
      const uint64_t intid = attr & 0x3ff;
      Register r = {.group = group, .storage = intid < kPrivateIrqs ? attr : intid};
      r.writable = intid < kPrivateIrqs ? 0xffff'0000 : intid < irqs_ ? 0xffff'ffff : 0;
      return r;
    }
    default:
      return std::nullopt;
  }
}

int VgicV3Registers::Has(uint32_t group, uint64_t attr) const {
  if (group == kVgicGrpLevelInfo) return (attr & 0xffff'fc00) == 0 ? 0 : -ENXIO;
  return Find(group, attr) ? 0 : -ENXIO;
}

// What KVM looks at before the register.
int VgicV3Registers::Check(uint32_t group, uint64_t attr) const {
  if (group == kVgicGrpItsRegs) {
    return attr % (attr < 0x0008 ? 4 : 8) != 0 ? -EINVAL : Find(group, attr) ? 0 : -ENXIO;
  }
  const bool any_vcpu = group == kVgicGrpDistRegs;
  if (affinities_.empty() || (!any_vcpu && !affinities_.contains(attr >> 32))) return -EINVAL;
  if (irqs_ == 0) return -EBUSY;
  if (group == kVgicGrpLevelInfo) return (attr & 0xffff'fc1f) == 0 ? 0 : -EINVAL;
  return Find(group, attr) ? 0 : -ENXIO;
}

uint64_t VgicV3Registers::Value(const Register& r) const {
  const auto found = values_.find({r.group, r.storage});
  return found == values_.end() ? r.reset : found->second;
}

int VgicV3Registers::Get(uint32_t group, uint64_t attr, uint64_t& value) const {
  if (const int error = Check(group, attr); error != 0) return error;
  value = Value(*Find(group, attr));
  return 0;
}

int VgicV3Registers::Set(uint32_t group, uint64_t attr, uint64_t value) {
  if (const int error = Check(group, attr); error != 0) return error;
  const Register r = *Find(group, attr);
  const uint64_t old = Value(r);
  const bool its_is_on = group == kVgicGrpItsRegs && (Value(*FindIts(0x0000)) & 1) != 0;
  switch (r.kind) {
    case Register::Kind::kReadOnly:
      return 0;
    case Register::Kind::kChecked:
      if (((old ^ value) & ~r.writable) != 0) return -EINVAL;
      break;
    case Register::Kind::kSet:
      value |= old;
      break;
    case Register::Kind::kClear:
      value = old & ~value;
      break;
    case Register::Kind::kCbaser:
      if (its_is_on) return 0;
      values_[{group, 0x0088}] = values_[{group, 0x0090}] = 0;
      break;
    case Register::Kind::kCreadr:
      if (its_is_on) return -EBUSY;
      if ((value & r.writable) >= ((Value(*FindIts(0x0080)) & 0xff) + 1) << 12) return -EINVAL;
      break;
    case Register::Kind::kPlain:
      break;
  }
  values_[{r.group, r.storage}] = (value & r.writable) | (r.reset & ~r.writable);
  return 0;
}

}  // namespace firn::kvm::testing
