// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GICv5 through KVM's VGICv5 device, in each dialect of its user-space interface.
// Source: Linux Documentation/virt/kvm/devices/arm-vgic-v5.rst.
#ifndef FIRN_ARCH_AARCH64_GICV5_H_
#define FIRN_ARCH_AARCH64_GICV5_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/gicv5_fdt.h"
#include "arch-aarch64/interrupt_controller.h"
#include "hypervisor/device.h"
#include "hypervisor/vm.h"

namespace firn {

// How the kernel hands out the interrupt state tables (KVM_DEV_ARM_VGIC_GRP_IST).
enum class Gicv5IstInterface {
  kNone,        // not at all, or in no way that firn knows: guests run, snapshots cannot be made
  kFlat,        // the series as posted in spring 2026: SPIs in a flat buffer, LPIs in guest memory
  kDescriptor,  // merged for Linux 7.4: both in buffers that a descriptor names
};

class Gicv5 final : public InterruptController {
 public:
  // The device type that `vm` knows VGICv5 by (kernels differ), found without making one; none
  // where the host has none. Errors keep errno.
  static absl::StatusOr<std::optional<uint32_t>> FindDeviceType(Vm& vm);

  // Makes the device in `vm`, which outlives the result. FailedPrecondition where the host has no
  // GICv5, or its kernel has one without the SPIs and LPIs that Linux needs as a guest;
  // InvalidArgument for more SPIs or vCPUs than the architecture of KVM has room for.
  static absl::StatusOr<std::unique_ptr<Gicv5>> Create(Vm& vm,
                                                       const InterruptControllerConfig& config);

  std::string_view name() const override { return "GICv5"; }
  std::string description() const override;
  absl::Status Init() override;
  uint32_t spi_count() const override { return spi_count_; }
  uint32_t SpiIrqLine(uint32_t spi) const override;
  uint32_t PpiAttribute(uint32_t intid) const override;
  std::vector<GuestRange> mmio() const override;
  const InterruptFdt& fdt() const override { return fdt_; }

  // gicv5_state.cc. FailedPrecondition with Gicv5IstInterface::kNone, and for a state of another
  // dialect; InvalidArgument for a damaged one.
  absl::StatusOr<std::string> SaveTables() override;
  absl::StatusOr<std::string> SaveRegisters() override;
  absl::Status RestoreRegisters(std::string_view state) override;
  absl::Status RestoreTables(std::string_view state) override;
  absl::Status RestoreEnables(std::string_view state) override;

  // Known after Init.
  Gicv5IstInterface ist_interface() const { return ist_interface_; }

 private:
  Gicv5(Device* device, uint32_t spi_count, std::vector<uint32_t> vcpu_ids);

  absl::Status CheckCanSave() const;
  absl::StatusOr<size_t> LpiIstSize() const;
  absl::Status RestoreTriggers(std::string_view spi_ist);
  Gicv5IstInterface ProbeIstInterface(bool irs_registers_before_address);

  Device* const device_;
  const uint32_t spi_count_;
  const std::vector<uint32_t> vcpu_ids_;
  const Gicv5Fdt fdt_;
  Gicv5IstInterface ist_interface_ = Gicv5IstInterface::kNone;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV5_H_
