// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_DEV_ARM_VGIC_GRP_NR_IRQS: the number of SPIs, and of nothing else (gicv5-reference 1.7).
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/user_memory.h"

namespace firn::software::gicv5 {
namespace {

constexpr std::string_view kGroup = "GRP_NR_IRQS";

class NrIrqsGroup : public AttributeGroup {
 public:
  explicit NrIrqsGroup(VgicState* state) : state_(state) {}

  absl::Status Has(uint64_t attr) override {
    return attr == 0 ? absl::OkStatus() : NoSuchAttribute(kGroup, attr);
  }

  absl::Status Get(uint64_t attr, uint64_t addr) override {
    if (absl::Status has = Has(attr); !has.ok()) return has;
    return PutUser<uint32_t>(addr, state_->nr_spis, kGroup);
  }

  absl::Status Set(uint64_t attr, uint64_t addr) override {
    if (absl::Status has = Has(attr); !has.ok()) return has;
    const absl::StatusOr<uint32_t> value = GetUser<uint32_t>(addr, kGroup);
    if (!value.ok()) return value.status();
    const bool bad = state_->rules.nr_irqs_exact ? *value < kMinSpis || *value % 32 != 0 : false;
    if (bad || *value > kMaxSpis) {
      return ErrnoStatus(EINVAL, absl::StrCat(kGroup, "(", *value, "): use ", kMinSpis, " to ",
                                              kMaxSpis, " in steps of 32"));
    }
    if (state_->initialised || state_->nr_spis != 0) {
      return ErrnoStatus(EBUSY, absl::StrCat(kGroup, ": set once, before CTRL_INIT"));
    }
    state_->nr_spis = *value;
    return absl::OkStatus();
  }

 private:
  VgicState* state_;
};

}  // namespace

std::unique_ptr<AttributeGroup> MakeNrIrqsGroup(VgicState* state) {
  return std::make_unique<NrIrqsGroup>(state);
}

}  // namespace firn::software::gicv5
