// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_DEV_ARM_VGIC_GRP_ADDR: where the IRS is (gicv5-reference 1.7).
#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/user_memory.h"

namespace firn::software::gicv5 {
namespace {

constexpr std::string_view kGroup = "GRP_ADDR";
constexpr uint64_t kUnset = ~uint64_t{0};
constexpr uint64_t kAlignment = 0x10000;

class AddrGroup : public AttributeGroup {
 public:
  explicit AddrGroup(VgicState* state) : state_(state) {}

  absl::Status Has(uint64_t attr) override {
    return attr == kvm::kVgicV5AddrTypeIrs ? absl::OkStatus() : NoSuchAttribute(kGroup, attr);
  }

  absl::Status Get(uint64_t attr, uint64_t addr) override {
    if (absl::Status has = Has(attr); !has.ok()) return has;
    return PutUser<uint64_t>(addr, state_->irs_base ? state_->irs_base->value : kUnset, kGroup);
  }

  absl::Status Set(uint64_t attr, uint64_t addr) override {
    if (absl::Status has = Has(attr); !has.ok()) return has;
    const absl::StatusOr<uint64_t> value = GetUser<uint64_t>(addr, kGroup);
    if (!value.ok()) return value.status();
    const GuestAddress base(*value);
    const std::string call = absl::StrCat(kGroup, "(IRS ", base, ")");
    if (state_->irs_base) return ErrnoStatus(EEXIST, call);
    if (!base.IsAligned(kAlignment)) {
      return ErrnoStatus(EINVAL, absl::StrCat(call, " is not aligned to 64 KiB"));
    }
    const std::optional<GuestAddress> end = base.Plus(kvm::kVgicV5IrsSize);
    if (!end) return ErrnoStatus(EINVAL, absl::StrCat(call, " wraps"));
    const uint64_t limit = uint64_t{1} << state_->machine->IpaBits();
    if (base.value >= limit || end->value > limit) {
      return ErrnoStatus(E2BIG, absl::StrCat(call, " is beyond the VM's address space"));
    }
    state_->irs_base = base;
    return absl::OkStatus();
  }

 private:
  VgicState* state_;
};

}  // namespace

std::unique_ptr<AttributeGroup> MakeAddrGroup(VgicState* state) {
  return std::make_unique<AddrGroup>(state);
}

}  // namespace firn::software::gicv5
