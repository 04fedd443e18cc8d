// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_DEV_ARM_VGIC_GRP_IRS_REGS: the registers of the CONFIG frame by offset, each as a u64
// (gicv5-reference 1.9).
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/user_memory.h"

namespace firn::software::gicv5 {
namespace {

constexpr std::string_view kGroup = "GRP_IRS_REGS";

class IrsRegsGroup : public AttributeGroup {
 public:
  explicit IrsRegsGroup(VgicState* state) : state_(state) {}

  absl::Status Has(uint64_t attr) override {
    if (absl::Status status = CheckVcpu(); !status.ok()) return status;
    if (state_->rules.irs_has_needs_base) {
      if (absl::Status status = CheckBase(); !status.ok()) return status;
    }
    return CheckOffset(attr);
  }

  absl::Status Get(uint64_t attr, uint64_t addr) override {
    absl::Status status = CheckVcpu();
    if (status.ok()) status = CheckAccess(attr, false);
    if (!status.ok()) return status;
    return PutUser(addr, state_->virtual_irs->frame.UserRead(*FindIrsRegister(attr)), kGroup);
  }

  absl::Status Set(uint64_t attr, uint64_t addr) override {
    if (absl::Status status = CheckVcpu(); !status.ok()) return status;
    // Read first: a bad pointer wins over a VM that is busy.
    const absl::StatusOr<uint64_t> value = GetUser<uint64_t>(addr, kGroup);
    if (!value.ok()) return value.status();
    if (absl::Status status = CheckAccess(attr, true); !status.ok()) return status;
    const IrsRegisterInfo& reg = *FindIrsRegister(attr);
    return Annotate(state_->virtual_irs->frame.UserWrite(reg, *value),
                    absl::StrCat(kGroup, "(", reg.name, " = 0x", absl::Hex(*value), ")"));
  }

 private:
  absl::Status CheckVcpu() const {
    if (!state_->cpus.empty()) return absl::OkStatus();
    return ErrnoStatus(EINVAL, absl::StrCat(kGroup, ": the VM has no vCPU 0"));
  }

  absl::Status CheckBase() const {
    if (state_->irs_base) return absl::OkStatus();
    return ErrnoStatus(ENXIO, absl::StrCat(kGroup, ": the IRS has no address; set GRP_ADDR first"));
  }

  static absl::Status CheckOffset(uint64_t attr) {
    const IrsRegisterInfo* const reg = FindIrsRegister(attr);
    if (reg == nullptr) return NoSuchAttribute(kGroup, attr);
    if (attr % reg->width != 0) {
      return ErrnoStatus(EINVAL, absl::StrCat(kGroup, " offset 0x", absl::Hex(attr),
                                              ": not aligned to the width of ", reg->name));
    }
    return absl::OkStatus();
  }

  absl::Status CheckAccess(uint64_t attr, bool set) const {
    absl::Status status = CheckBase();
    if (status.ok()) status = state_->CheckStopped(kGroup);
    if (status.ok()) status = state_->CheckInitialised(kGroup);
    if (status.ok() && set && state_->rules.irs_set_before_run_only) {
      status = state_->CheckNeverRun(kGroup);
    }
    if (status.ok()) status = CheckOffset(attr);
    return status;
  }

  VgicState* state_;
};

}  // namespace

std::unique_ptr<AttributeGroup> MakeIrsRegsGroup(VgicState* state) {
  return std::make_unique<IrsRegsGroup>(state);
}

}  // namespace firn::software::gicv5
