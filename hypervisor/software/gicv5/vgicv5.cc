// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/vgicv5.h"

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/gicv5/instructions.h"
#include "hypervisor/software/gicv5/ppi.h"
#include "hypervisor/software/gicv5/vgic_state.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kAcknowledgeValid = uint64_t{1} << 32;

class Vgicv5Model : public Vgicv5 {
 public:
  Vgicv5Model(const HostLimits& limits, Machine* machine) : state_(limits, machine) {
    groups_[kvm::kVgicGrpCtrl] = MakeCtrlGroup(&state_);
    if (!state_.rules.has_irs) return;
    groups_[kvm::kVgicGrpAddr] = MakeAddrGroup(&state_);
    groups_[kvm::kVgicGrpNrIrqs] = MakeNrIrqsGroup(&state_);
    groups_[kvm::kVgicGrpCpuSysregs] = MakeCpuSysregsGroup(&state_);
    groups_[kvm::kVgicGrpIrsRegs] = MakeIrsRegsGroup(&state_);
    groups_[kvm::kVgicGrpIst] = MakeIstGroup(&state_);
  }

  // --- AttributeTarget ---

  absl::Status HasAttr(uint32_t group, uint64_t attr) override {
    AttributeGroup* const handler = Group(group);
    return handler ? Annotate(handler->Has(attr), "KVM_HAS_DEVICE_ATTR") : NoGroup(group);
  }
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    AttributeGroup* const handler = Group(group);
    return handler ? Annotate(handler->Get(attr, addr), "KVM_GET_DEVICE_ATTR") : NoGroup(group);
  }
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    AttributeGroup* const handler = Group(group);
    return handler ? Annotate(handler->Set(attr, addr), "KVM_SET_DEVICE_ATTR") : NoGroup(group);
  }

  // --- The machine's side ---

  absl::Status AddVcpu(uint32_t index, uint32_t vcpu_id) override {
    absl::Status status = state_.AddVcpu(vcpu_id);
    if (!status.ok()) return status;
    CHECK_EQ(index + 1, state_.cpus.size()) << "vCPUs are added in order of creation";
    acknowledged_.emplace_back();
    return status;
  }

  absl::Status PrepareRun(uint32_t) override {
    absl::Status status = CheckRun();
    if (!status.ok()) {
      state_.machine->MarkDead();
      return status;
    }
    if (!mapped_) {
      for (const auto& cpu : state_.cpus) cpu->HideInvisiblePpis();
      mapped_ = true;
    }
    return status;
  }

  void SetPpiLine(uint32_t index, uint32_t ppi, bool level) override {
    if (ppi < kPpis) state_.cpus[index]->DrivePpi(ppi, level);
  }

  absl::Status IrqLine(uint32_t irq, bool level) override {
    const uint32_t type = irq >> 24 & 0xf;
    const uint32_t number = irq & 0xffff;
    if (type == kvm::kIrqTypeSpi) return SpiLine(number, level);
    const auto fail = [irq](int error_number, std::string_view why) {
      return ErrnoStatus(error_number, absl::StrCat("KVM_IRQ_LINE(0x", absl::Hex(irq), "): ", why));
    };
    if (type == kvm::kIrqTypeCpu) return fail(ENXIO, "a vCPU with an in-kernel GIC has no lines");
    if (type != kvm::kIrqTypePpi) return fail(EINVAL, "no such type of interrupt");
    if (absl::Status status = state_.CheckInitialised("KVM_IRQ_LINE"); !status.ok()) return status;
    const uint32_t index = (irq >> 16 & 0xff) | (irq >> 28) << 8;
    if (index >= state_.cpus.size()) return fail(EINVAL, "no such vCPU");
    if (number >= kPpis || (PpiBit(number) & kUserspacePpis) == 0) {
      return fail(EINVAL, "user space drives no PPI but SW_PPI (3)");
    }
    state_.cpus[index]->DrivePpi(number, level);
    return absl::OkStatus();
  }

  absl::Status SpiLine(uint32_t spi, bool level) override {
    const std::string_view kCall = "KVM_IRQ_LINE";
    if (absl::Status status = state_.CheckInitialised(kCall); !status.ok()) return status;
    VirtualIrs* const irs = state_.virtual_irs.get();
    if (irs == nullptr || spi >= irs->irs.spi_count()) {
      return ErrnoStatus(EINVAL, absl::StrCat(kCall, ": SPI ", spi, " is not below ",
                                              irs ? irs->irs.spi_count() : 0));
    }
    irs->lines.Drive(spi, level);
    return absl::OkStatus();
  }

  void SetDeactivateObserver(std::function<void(uint32_t spi)> observer) override {
    observer_ = std::move(observer);
  }

  void InjectAllocationFailure(int error_number) override {
    state_.allocation_errno = error_number;
  }
  void InjectQuiesceFailure(int error_number) override { state_.quiesce_errno = error_number; }

  // --- The CPU side ---

  bool IrqAsserted(uint32_t index) const override { return state_.cpus[index]->irq_asserted(); }
  bool NmiAsserted(uint32_t index) const override { return state_.cpus[index]->nmi_asserted(); }

  bool ReadRegister(uint32_t index, SystemRegister reg, uint64_t* value) override {
    return state_.cpus[index]->Read(reg, value);
  }
  bool WriteRegister(uint32_t index, SystemRegister reg, uint64_t value) override {
    return state_.cpus[index]->Write(reg, value);
  }

  bool ExecuteSys(uint32_t index, SystemRegister reg, uint64_t operand) override {
    std::optional<uint32_t> deactivated;
    if (!gicv5::ExecuteSys(state_.Context(index), reg, operand, &deactivated)) return false;
    // Last, because the observer may lower the line.
    if (deactivated && observer_) observer_(*deactivated);
    return true;
  }

  bool ExecuteSysl(uint32_t index, SystemRegister reg, bool nmi_enabled,
                   uint64_t* result) override {
    std::optional<Intid> taken;
    if (!gicv5::ExecuteSysl(state_.Context(index), reg, nmi_enabled, &taken)) return false;
    *result = taken ? kAcknowledgeValid | taken->packed() : 0;
    if (taken) Count(index, taken->type);
    return true;
  }

  bool MmioRead(GuestAddress address, absl::Span<std::byte> data) override {
    const std::optional<uint64_t> offset = IrsOffset(address, data.size());
    if (!offset) return false;
    state_.virtual_irs->frame.MmioRead(*offset, data);
    return true;
  }
  bool MmioWrite(GuestAddress address, absl::Span<const std::byte> data) override {
    const std::optional<uint64_t> offset = IrsOffset(address, data.size());
    if (!offset) return false;
    state_.virtual_irs->frame.MmioWrite(*offset, data);
    return true;
  }

  AcknowledgeCounts acknowledged(uint32_t index) const override { return acknowledged_[index]; }

 private:
  AttributeGroup* Group(uint32_t group) {
    return group < groups_.size() ? groups_[group].get() : nullptr;
  }
  static absl::Status NoGroup(uint32_t group) {
    return ErrnoStatus(ENXIO, absl::StrCat("VGICv5 attribute group ", group));
  }

  absl::Status CheckRun() const {
    constexpr std::string_view kCall = "KVM_RUN";
    if (absl::Status status = state_.CheckInitialised(kCall); !status.ok()) return status;
    if (!state_.rules.has_irs) return absl::OkStatus();
    if (!state_.irs_base) {
      return ErrnoStatus(ENXIO, absl::StrCat(kCall, ": the IRS has no address; set GRP_ADDR"));
    }
    if (state_.virtual_irs->ist.restore_pending()) {
      return ErrnoStatus(EINVAL, absl::StrCat(kCall,
                                              ": IST_BASER was restored valid, but no IST; "
                                              "set GRP_IST"));
    }
    return absl::OkStatus();
  }

  // Where in the IRS's two frames an access is; the frames appear with the first run.
  std::optional<uint64_t> IrsOffset(GuestAddress address, uint64_t size) const {
    if (!mapped_ || !state_.irs_base) return std::nullopt;
    const std::optional<GuestRange> range =
        GuestRange::Create(*state_.irs_base, kvm::kVgicV5IrsSize);
    if (!range || !range->Contains(address, size)) return std::nullopt;
    return address.value - state_.irs_base->value;
  }

  void Count(uint32_t index, IntidType type) {
    AcknowledgeCounts& counts = acknowledged_[index];
    switch (type) {
      case IntidType::kPpi:
        ++counts.ppi;
        break;
      case IntidType::kLpi:
        ++counts.lpi;
        break;
      case IntidType::kSpi:
        ++counts.spi;
        break;
    }
  }

  VgicState state_;
  std::array<std::unique_ptr<AttributeGroup>, kvm::kVgicGrpIst + 1> groups_;
  std::function<void(uint32_t)> observer_;
  std::vector<AcknowledgeCounts> acknowledged_;
  bool mapped_ = false;  // the first run has begun
};

}  // namespace

std::unique_ptr<Vgicv5> Vgicv5::Create(const HostLimits& limits, Machine* machine) {
  return std::make_unique<Vgicv5Model>(limits, machine);
}

}  // namespace firn::software::gicv5
