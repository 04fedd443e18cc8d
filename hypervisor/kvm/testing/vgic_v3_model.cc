// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/vgic_v3_model.h"

#include <algorithm>
#include <cerrno>

#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_file.h"

namespace firn::kvm::testing {
namespace {

constexpr uint64_t kFrame = 0x10000;  // the alignment of everything, and the distributor's size
constexpr uint64_t kRedistributorSize = 2 * kFrame, kItsSize = 2 * kFrame;
constexpr uint32_t kPrivateIrqs = 32, kMaxIrqs = 1024, kDefaultIrqs = 256;

// KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION.
constexpr uint64_t kIndexMask = 0xfff, kFlagsMask = 0xf000, kBaseMask = 0xf'ffff'ffff'0000;
constexpr unsigned kCountShift = 52;

}  // namespace

int VgicV3Model::HasAttr(uint32_t group, uint64_t attr) const {
  switch (group) {
    case kVgicGrpAddr:
      return attr == kVgicV3AddrTypeDist || attr == kVgicV3AddrTypeRedist ||
                     attr == kVgicV3AddrTypeRedistRegion
                 ? 0
                 : -ENXIO;
    case kVgicGrpNrIrqs:
      return 0;
    case kVgicGrpCtrl:
      return attr == kVgicCtrlInit || attr == kVgicCtrlSavePendingTables ? 0 : -ENXIO;
    case kVgicGrpItsRegs:
      return -ENXIO;
    default:
      return registers_.Has(group, attr);
  }
}

int VgicV3Model::GetAttr(uint32_t group, uint64_t attr, uintptr_t user) const {
  constexpr uint64_t kUndefined = ~uint64_t{0};
  if (group == kVgicGrpNrIrqs) return ToUser(user, irqs_ == 0 ? kPrivateIrqs : irqs_);
  if (group == kVgicGrpItsRegs) return -ENXIO;
  if (group != kVgicGrpAddr) return GetRegister(group, attr, user);
  switch (attr) {
    case kVgicV3AddrTypeDist:
      return ToUser(user, distributor_.value_or(kUndefined));
    case kVgicV3AddrTypeRedist:
      if (regions_.empty()) return ToUser(user, kUndefined);
      return regions_[0].count != 0 ? -EINVAL : ToUser(user, regions_[0].base);
    case kVgicV3AddrTypeRedistRegion: {
      uint64_t value = 0;
      if (const int error = FromUser(user, value); error != 0) return error;
      const auto found = std::find_if(
          regions_.begin(), regions_.end(),
          [value](const Region& region) { return region.index == (value & kIndexMask); });
      if (found == regions_.end()) return -ENOENT;
      return ToUser(user, found->index | found->base | uint64_t{found->count} << kCountShift);
    }
    default:
      return -ENXIO;
  }
}

int VgicV3Model::SetAttr(uint32_t group, uint64_t attr, uintptr_t user, int vcpus) {
  switch (group) {
    case kVgicGrpAddr: {
      if (HasAttr(group, attr) != 0) return -ENXIO;
      uint64_t value = 0;
      if (const int error = FromUser(user, value); error != 0) return error;
      return SetAddress(attr, value, vcpus);
    }
    case kVgicGrpNrIrqs: {
      uint32_t value = 0;
      if (const int error = FromUser(user, value); error != 0) return error;
      if (value < kPrivateIrqs + 32 || value > kMaxIrqs || value % 32 != 0) return -EINVAL;
      if (initialised_ || irqs_ != 0) return -EBUSY;
      irqs_ = value;
      return 0;
    }
    case kVgicGrpCtrl:
      if (attr == kVgicCtrlInit) {
        if (vcpus == 0) return -ENODEV;
        if (irqs_ == 0) irqs_ = kDefaultIrqs;
        initialised_ = true;
        registers_.Init(irqs_);
        return 0;
      }
      if (attr == kVgicCtrlSavePendingTables) return initialised_ ? 0 : -ENXIO;
      return -ENXIO;
    case kVgicGrpItsRegs:
      return -ENXIO;
    default:
      return SetRegister(group, attr, user);
  }
}

int VgicV3Model::GetRegister(uint32_t group, uint64_t attr, uintptr_t user) const {
  const std::optional<size_t> width = VgicV3Registers::WidthOf(group);
  if (!width) return -ENXIO;
  uint64_t value = 0;
  if (const int error = registers_.Get(group, attr, value); error != 0) return error;
  return *width == sizeof(uint64_t) ? ToUser(user, value)
                                    : ToUser(user, static_cast<uint32_t>(value));
}

int VgicV3Model::SetRegister(uint32_t group, uint64_t attr, uintptr_t user) {
  const std::optional<size_t> width = VgicV3Registers::WidthOf(group);
  if (!width) return -ENXIO;
  uint64_t value = 0;
  uint32_t word = 0;
  const int error = *width == sizeof(value) ? FromUser(user, value) : FromUser(user, word);
  if (error != 0) return error;
  return registers_.Set(group, attr, *width == sizeof(value) ? value : word);
}

int VgicV3Model::SetAddress(uint64_t type, uint64_t value, int vcpus) {
  switch (type) {
    case kVgicV3AddrTypeDist: {
      if (distributor_) return -EEXIST;
      if (const int error = CheckRange(value, kFrame); error != 0) return error;
      distributor_ = value;
      return 0;
    }
    case kVgicV3AddrTypeRedist:
      return AddRegion({.index = 0, .base = value, .count = 0}, vcpus);
    default: {
      const auto count = static_cast<uint32_t>(value >> kCountShift);
      if (count == 0 || (value & kFlagsMask) != 0) return -EINVAL;
      return AddRegion({.index = static_cast<uint32_t>(value & kIndexMask),
                        .base = value & kBaseMask,
                        .count = count},
                       vcpus);
    }
  }
}

int VgicV3Model::AddRegion(const Region& region, int vcpus) {
  if (initialised_) return -EBUSY;
  const uint64_t size = uint64_t{region.count} * kRedistributorSize;
  if (region.base + size < region.base) return -EINVAL;
  if (regions_.empty()) {
    if (region.index != 0) return -EINVAL;
  } else {
    const Region& last = regions_.back();
    if (region.count == 0) return last.count != 0 ? -EINVAL : -EEXIST;
    if (last.count == 0 || last.index + 1 != region.index) return -EINVAL;
  }
  if (Overlaps(region.base, SizeOf(region, vcpus), vcpus)) return -EINVAL;
  if (const int error = CheckRange(region.base, size); error != 0) return error;
  regions_.push_back(region);
  return 0;
}

int VgicV3Model::CheckRange(uint64_t base, uint64_t size) const {
  if (base % kFrame != 0 || base + size < base) return -EINVAL;
  const uint64_t limit = uint64_t{1} << ipa_bits_;
  return base >= limit || base + size > limit ? -E2BIG : 0;
}

uint64_t VgicV3Model::SizeOf(const Region& region, int vcpus) const {
  const uint64_t count = region.count == 0 ? static_cast<uint64_t>(vcpus) : region.count;
  return count * kRedistributorSize;
}

bool VgicV3Model::Overlaps(uint64_t base, uint64_t size, int vcpus) const {
  const auto overlaps = [base, size](uint64_t other, uint64_t other_size) {
    return base < other + other_size && other < base + size;
  };
  if (distributor_ && overlaps(*distributor_, kFrame)) return true;
  return std::any_of(regions_.begin(), regions_.end(), [&](const Region& region) {
    return overlaps(region.base, SizeOf(region, vcpus));
  });
}

int VgicV3Model::HasItsAttr(uint32_t group, uint64_t attr) const {
  switch (group) {
    case kVgicGrpAddr:
      return attr == kVgicItsAddrType ? 0 : -ENXIO;
    case kVgicGrpCtrl:
      return attr == kVgicCtrlInit || attr == kVgicCtrlItsSaveTables ||
                     attr == kVgicCtrlItsRestoreTables || attr == kVgicCtrlItsReset
                 ? 0
                 : -ENXIO;
    case kVgicGrpItsRegs:
      return registers_.Has(group, attr);
    default:
      return -ENXIO;
  }
}

int VgicV3Model::GetItsAttr(uint32_t group, uint64_t attr, uintptr_t user) const {
  if (group == kVgicGrpItsRegs) return its_ ? GetRegister(group, attr, user) : -ENXIO;
  if (group != kVgicGrpAddr) return -ENXIO;
  if (attr != kVgicItsAddrType) return -ENODEV;
  return ToUser(user, its_.value_or(~uint64_t{0}));
}

int VgicV3Model::SetItsAttr(uint32_t group, uint64_t attr, uintptr_t user) {
  if (group == kVgicGrpCtrl) return HasItsAttr(group, attr);
  if (group == kVgicGrpItsRegs) return its_ ? SetRegister(group, attr, user) : -ENXIO;
  if (group != kVgicGrpAddr) return -ENXIO;
  if (attr != kVgicItsAddrType) return -ENODEV;
  uint64_t value = 0;
  if (const int error = FromUser(user, value); error != 0) return error;
  if (its_) return -EEXIST;
  if (const int error = CheckRange(value, kItsSize); error != 0) return error;
  its_ = value;
  return 0;
}

int VgicV3Model::PrepareRun(int vcpus) const {
  if (!initialised_) return -EBUSY;
  if (!distributor_ || regions_.empty()) return -ENXIO;
  if (regions_[0].count == 0) return 0;
  uint64_t room = 0;
  for (const Region& region : regions_) room += region.count;
  return room < static_cast<uint64_t>(vcpus) ? -ENXIO : 0;
}

int VgicV3Model::IrqLine(uint32_t irq, int vcpus) const {
  const uint32_t type = irq >> 24 & 0xf, number = irq & 0xffff;
  const uint32_t vcpu = (irq >> 16 & 0xff) + 256 * (irq >> 28);
  switch (type) {
    case kIrqTypePpi:
      if (vcpu >= static_cast<uint32_t>(vcpus)) return -EINVAL;
      if (number < 16 || number >= kPrivateIrqs) return -EINVAL;
      break;
    case kIrqTypeSpi:
      if (number < kPrivateIrqs) return -EINVAL;
      break;
    default:
      return -ENXIO;
  }
  if (!initialised_) return -EBUSY;
  return number < irqs_ ? 0 : -EINVAL;
}

}  // namespace firn::kvm::testing
