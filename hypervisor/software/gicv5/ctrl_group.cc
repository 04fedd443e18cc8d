// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_DEV_ARM_VGIC_GRP_CTRL: initialisation, and the PPIs that user space may drive
// (gicv5-reference 1.6).
#include <array>

#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/user_memory.h"

namespace firn::software::gicv5 {
namespace {

constexpr std::string_view kGroup = "GRP_CTRL";

class CtrlGroup : public AttributeGroup {
 public:
  explicit CtrlGroup(VgicState* state) : state_(state) {}

  absl::Status Has(uint64_t attr) override {
    const bool has = attr == kvm::kVgicCtrlInit || attr == kvm::kVgicCtrlUserspacePpis;
    return has ? absl::OkStatus() : NoSuchAttribute(kGroup, attr);
  }

  absl::Status Get(uint64_t attr, uint64_t addr) override {
    if (attr != kvm::kVgicCtrlUserspacePpis) return NoSuchAttribute(kGroup, attr);
    const std::array<uint64_t, 2> mask = {state_->initialised ? kUserspacePpis : 0, 0};
    return PutUser(addr, mask, kGroup);
  }

  absl::Status Set(uint64_t attr, uint64_t) override {
    if (attr != kvm::kVgicCtrlInit) return NoSuchAttribute(kGroup, attr);
    return state_->Init();
  }

 private:
  VgicState* state_;
};

}  // namespace

std::unique_ptr<AttributeGroup> MakeCtrlGroup(VgicState* state) {
  return std::make_unique<CtrlGroup>(state);
}

}  // namespace firn::software::gicv5
