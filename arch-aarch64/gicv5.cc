// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/gicv5.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "arch-aarch64/memory_layout.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

// KVM_DEV_ARM_VGIC_GRP_NR_IRQS: 32 to 1024 SPIs in steps of 32.
constexpr uint32_t kSpiStep = 32;
constexpr uint32_t kMaximumSpis = 1024;
constexpr size_t kMaximumVcpus = 512;

constexpr uint32_t kPpiType = 1;

// What an IST probe lets a kernel write, whichever dialect it speaks.
constexpr size_t kProbeBufferSize = 4096;
constexpr size_t kIsteSize = 4;
static_assert(kMaximumSpis * kIsteSize <= kProbeBufferSize);

constexpr GuestRange kIrs =
    *GuestRange::Create(kInterruptControllerRegion.base(), kvm::kVgicV5IrsSize);

}  // namespace

absl::StatusOr<std::optional<uint32_t>> Gicv5::FindDeviceType(Vm& vm) {
  for (const uint32_t type : {kvm::kDevTypeArmVgicV5, kvm::kDevTypeArmVgicV5Early}) {
    const absl::StatusOr<Device*> device = vm.CreateDevice(type, /*test_only=*/true);
    if (device.ok()) return type;
    if (GetErrno(device.status()) != ENODEV) {
      return Annotate(device.status(), "looking for a GICv5 on this host");
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<Gicv5>> Gicv5::Create(Vm& vm,
                                                     const InterruptControllerConfig& config) {
  if (config.spis > kMaximumSpis) {
    return absl::InvalidArgumentError(absl::StrCat(
        "GICv5: ", config.spis, " SPIs, KVM has at most ", kMaximumSpis, ": remove some devices"));
  }
  if (config.vcpu_ids.empty() || config.vcpu_ids.size() > kMaximumVcpus) {
    return absl::InvalidArgumentError(
        absl::StrCat("GICv5: ", config.vcpu_ids.size(), " vCPUs, KVM has 1 to ", kMaximumVcpus));
  }
  const absl::StatusOr<std::optional<uint32_t>> type = FindDeviceType(vm);
  if (!type.ok()) return type.status();
  if (!type->has_value()) {
    return absl::FailedPreconditionError(
        "this host has no GICv5 for guests: either the machine has no GICv5, or its kernel is "
        "older "
        "than Linux 7.4 or has KVM in protected mode (pKVM); the software hypervisor has a GICv5 "
        "on "
        "any machine");
  }
  const absl::StatusOr<Device*> device = vm.CreateDevice(**type);
  if (!device.ok()) return Annotate(device.status(), "GICv5");

  const absl::Status has_irs = (*device)->HasAttr(kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs);
  if (GetErrno(has_irs) == ENXIO) {
    return absl::FailedPreconditionError(
        "the GICv5 for guests has PPIs alone here (Linux 7.1 to 7.3, or dialect a of the software "
        "hypervisor), and Linux as a guest needs SPIs and LPIs: use Linux 7.4 or later, or the "
        "software hypervisor in another dialect");
  }
  if (!has_irs.ok()) return Annotate(has_irs, "GICv5: probing for the IRS address");

  const uint32_t spis = std::max(kSpiStep, (config.spis + kSpiStep - 1) / kSpiStep * kSpiStep);
  return absl::WrapUnique(new Gicv5(*device, spis, config.vcpu_ids));
}

Gicv5::Gicv5(Device* device, uint32_t spi_count, std::vector<uint32_t> vcpu_ids)
    : device_(device), spi_count_(spi_count), vcpu_ids_(std::move(vcpu_ids)), fdt_(kIrs.base()) {}

absl::Status Gicv5::Init() {
  // Series of before the merge want the IRS address first here, and say ENXIO without it.
  const absl::Status irs_registers = device_->HasAttr(kvm::kVgicGrpIrsRegs, 0);
  if (!irs_registers.ok() && GetErrno(irs_registers) != ENXIO) {
    return Annotate(irs_registers, "GICv5: probing for the IRS registers");
  }

  if (absl::Status status = SetAttrU32(*device_, kvm::kVgicGrpNrIrqs, 0, spi_count_);
      !status.ok()) {
    return Annotate(status, absl::StrCat("GICv5: setting ", spi_count_, " SPIs"));
  }
  if (absl::Status status =
          SetAttrU64(*device_, kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs, kIrs.base().value);
      !status.ok()) {
    return Annotate(status, absl::StrCat("GICv5: setting the IRS address ", kIrs.base()));
  }
  if (absl::Status status = device_->SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, 0);
      !status.ok()) {
    return Annotate(status, "GICv5: KVM_DEV_ARM_VGIC_CTRL_INIT");
  }
  ist_interface_ = ProbeIstInterface(/*irs_registers_before_address=*/irs_registers.ok());
  return absl::OkStatus();
}

Gicv5IstInterface Gicv5::ProbeIstInterface(bool irs_registers_before_address) {
  if (!device_->HasAttr(kvm::kVgicGrpIst, 0).ok()) return Gicv5IstInterface::kNone;

  // A buffer of zeros is harmless to both: the flat interface fills it, the one with a descriptor
  // sees a descriptor without an SPI buffer.
  std::vector<uint64_t> buffer(kProbeBufferSize / sizeof(uint64_t));
  const absl::Status get =
      device_->GetAttr(kvm::kVgicGrpIst, 0, reinterpret_cast<uintptr_t>(buffer.data()));
  // Both signs must agree: to take one interface for the other overwrites memory.
  if (get.ok() && !irs_registers_before_address) return Gicv5IstInterface::kFlat;
  if (GetErrno(get) == EINVAL && irs_registers_before_address) {
    return Gicv5IstInterface::kDescriptor;
  }
  return Gicv5IstInterface::kNone;
}

std::string Gicv5::description() const {
  switch (ist_interface_) {
    case Gicv5IstInterface::kNone:
      return absl::StrCat("GICv5, ", spi_count_,
                          " SPIs; this kernel cannot save its interrupt state: no snapshots");
    case Gicv5IstInterface::kFlat:
      return absl::StrCat("GICv5, ", spi_count_,
                          " SPIs; interface of a series of before Linux 7.4, LPI state in guest "
                          "memory");
    case Gicv5IstInterface::kDescriptor:
      return absl::StrCat("GICv5, ", spi_count_, " SPIs; interface of Linux 7.4");
  }
  return "GICv5";
}

uint32_t Gicv5::SpiIrqLine(uint32_t spi) const { return kvm::IrqLineNumber(kvm::kIrqTypeSpi, spi); }

// A full INTID: type PPI above the number.
uint32_t Gicv5::PpiAttribute(uint32_t intid) const { return kPpiType << 29 | intid; }

std::vector<GuestRange> Gicv5::mmio() const { return {kIrs}; }

}  // namespace firn
