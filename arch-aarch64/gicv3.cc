// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/gicv3.h"

#include <algorithm>
#include <cerrno>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

// KVM_DEV_ARM_VGIC_GRP_NR_IRQS counts the private interrupts too: 64 to 992, in steps of 32.
constexpr uint32_t kPrivateInterrupts = 32;
constexpr uint32_t kSpiStep = 32;
constexpr uint32_t kMaximumSpis = 992 - kPrivateInterrupts;

// KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION: count[63:52] base[51:16] flags[15:12] index[11:0].
uint64_t RedistributorRegion(GuestRange range, uint64_t count) {
  return count << 52 | range.base().value;
}
static_assert(kGicv3Redistributors.value % (64 * kKiB) == 0);
static_assert(kGicv3MaximumVcpus < 1 << 12);

absl::StatusOr<bool> HasDevice(Vm& vm, kvm::DeviceType type) {
  const absl::StatusOr<Device*> device = vm.CreateDevice(type, /*test_only=*/true);
  if (device.ok()) return true;
  if (GetErrno(device.status()) == ENODEV) return false;
  return device.status();
}

}  // namespace

absl::StatusOr<bool> Gicv3::IsAvailable(Vm& vm) {
  const absl::StatusOr<bool> has = HasDevice(vm, kvm::kDevTypeArmVgicV3);
  if (!has.ok()) return Annotate(has.status(), "looking for a GICv3 on this host");
  return has;
}

absl::StatusOr<std::unique_ptr<Gicv3>> Gicv3::Create(Vm& vm,
                                                     const InterruptControllerConfig& config) {
  if (config.spis > kMaximumSpis) {
    return absl::InvalidArgumentError(absl::StrCat(
        "GICv3: ", config.spis, " SPIs, KVM has at most ", kMaximumSpis, ": remove some devices"));
  }
  if (config.vcpu_ids.empty() || config.vcpu_ids.size() > kGicv3MaximumVcpus) {
    return absl::InvalidArgumentError(absl::StrCat("GICv3: ", config.vcpu_ids.size(),
                                                   " vCPUs, KVM has 1 to ", kGicv3MaximumVcpus));
  }
  const absl::StatusOr<bool> is_available = IsAvailable(vm);
  if (!is_available.ok()) return is_available.status();
  if (!*is_available) {
    return absl::FailedPreconditionError(
        "this host has no GICv3 for guests: either the machine has none that can be virtualized (a "
        "GICv2, or a GICv5 without its legacy mode), or its kernel was built or booted without it; "
        "use --gic=auto for what the host has");
  }
  const absl::StatusOr<Device*> device = vm.CreateDevice(kvm::kDevTypeArmVgicV3);
  if (!device.ok()) return Annotate(device.status(), "GICv3");
  const absl::StatusOr<bool> has_its = HasDevice(vm, kvm::kDevTypeArmVgicIts);
  if (!has_its.ok()) return Annotate(has_its.status(), "GICv3: looking for an ITS");
  const uint32_t spis = std::max(kSpiStep, (config.spis + kSpiStep - 1) / kSpiStep * kSpiStep);
  return absl::WrapUnique(new Gicv3(vm, *device, spis, config.vcpu_ids, *has_its));
}

absl::Status Gicv3::PlaceRedistributors() {
  const GuestRange range = Gicv3Redistributors(vcpu_ids_.size());
  const absl::Status has_regions =
      device_.HasAttr(kvm::kVgicGrpAddr, kvm::kVgicV3AddrTypeRedistRegion);
  if (has_regions.ok()) {
    return SetAttrU64(device_, kvm::kVgicGrpAddr, kvm::kVgicV3AddrTypeRedistRegion,
                      RedistributorRegion(range, vcpu_ids_.size()));
  }
  if (GetErrno(has_regions) != ENXIO) return has_regions;
  // Kernels of before 4.18: one region, which has room for all vCPUs.
  return SetAttrU64(device_, kvm::kVgicGrpAddr, kvm::kVgicV3AddrTypeRedist, range.base().value);
}

absl::Status Gicv3::Init() {
  if (absl::Status status =
          SetAttrU32(device_, kvm::kVgicGrpNrIrqs, 0, spi_count_ + kPrivateInterrupts);
      !status.ok()) {
    return Annotate(status, absl::StrCat("GICv3: setting ", spi_count_, " SPIs"));
  }
  if (absl::Status status = SetAttrU64(device_, kvm::kVgicGrpAddr, kvm::kVgicV3AddrTypeDist,
                                       kGicv3Distributor.base().value);
      !status.ok()) {
    return Annotate(status, absl::StrCat("GICv3: setting the distributor's address ",
                                         kGicv3Distributor.base()));
  }
  if (absl::Status status = PlaceRedistributors(); !status.ok()) {
    return Annotate(status, absl::StrCat("GICv3: setting the address of ", vcpu_ids_.size(),
                                         " redistributors, ", kGicv3Redistributors));
  }
  if (absl::Status status = device_.SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, 0);
      !status.ok()) {
    return Annotate(status, "GICv3: KVM_DEV_ARM_VGIC_CTRL_INIT");
  }
  absl::Status status = has_its_ ? InitIts() : absl::OkStatus();
  initialised_ = status.ok();
  return status;
}

absl::Status Gicv3::InitIts() {
  const absl::StatusOr<Device*> its = vm_.CreateDevice(kvm::kDevTypeArmVgicIts);
  if (!its.ok()) return Annotate(its.status(), "ITS");
  its_ = *its;
  if (absl::Status status =
          SetAttrU64(**its, kvm::kVgicGrpAddr, kvm::kVgicItsAddrType, kGicv3Its.base().value);
      !status.ok()) {
    return Annotate(status, absl::StrCat("ITS: setting the address ", kGicv3Its.base()));
  }
  return Annotate((*its)->SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, 0),
                  "ITS: KVM_DEV_ARM_VGIC_CTRL_INIT");
}

std::string Gicv3::description() const {
  return absl::StrCat("GICv3, ", spi_count_, " SPIs, ",
                      has_its_ ? "ITS" : "no ITS (this kernel has none for guests): no MSIs");
}

// KVM_IRQ_LINE takes INTIDs.
uint32_t Gicv3::SpiIrqLine(uint32_t spi) const {
  return kvm::IrqLineNumber(kvm::kIrqTypeSpi, spi + kPrivateInterrupts);
}

std::vector<GuestRange> Gicv3::mmio() const {
  std::vector<GuestRange> ranges = {kGicv3Distributor};
  if (has_its_) ranges.push_back(kGicv3Its);
  ranges.push_back(Gicv3Redistributors(vcpu_ids_.size()));
  return ranges;
}

}  // namespace firn
