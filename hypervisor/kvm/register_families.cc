// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/register_families.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "hypervisor/register_id.h"

namespace firn::kvm {
namespace {

constexpr uint64_t kArchitectureMask = 0xff00000000000000;
constexpr size_t kWidestRegister = 256;  // bytes: an SVE register at its longest

constexpr uint64_t kFamilies[] = {
    kRegFamilyCore,     kRegFamilyDemux, kRegFamilySysreg,
    kRegFamilyFirmware, kRegFamilySve,   kRegFamilyFirmwareFeatures,
};

bool IsKnown(uint64_t id) {
  return (id & kArchitectureMask) == kRegArm64 && RegisterSize(id) <= kWidestRegister &&
         std::find(std::begin(kFamilies), std::end(kFamilies), id & kRegFamilyMask) !=
             std::end(kFamilies);
}

}  // namespace

absl::Status CheckRegisterFamilies(absl::Span<const uint64_t> ids) {
  for (uint64_t id : ids) {
    if (IsKnown(id)) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "KVM_GET_REG_LIST has register 0x%016x, of a family (0x%x) that firn does not know: this "
        "kernel is newer than firn; take a newer firn",
        id, (id & kRegFamilyMask) >> 16));
  }
  return absl::OkStatus();
}

}  // namespace firn::kvm
