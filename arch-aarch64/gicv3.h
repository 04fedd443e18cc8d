// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GICv3 through KVM's VGICv3 and its ITS.
// Source: Linux Documentation/virt/kvm/devices/{arm-vgic-v3,arm-vgic-its}.rst.
#ifndef FIRN_ARCH_AARCH64_GICV3_H_
#define FIRN_ARCH_AARCH64_GICV3_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/gicv3_fdt.h"
#include "arch-aarch64/gicv3_state.h"
#include "arch-aarch64/interrupt_controller.h"
#include "hypervisor/device.h"
#include "hypervisor/vm.h"

namespace firn {

class Gicv3 final : public InterruptController {
 public:
  // Whether KVM can give `vm` one, found without making it. Errors but ENODEV keep errno.
  static absl::StatusOr<bool> IsAvailable(Vm& vm);

  // Makes the device in `vm`, which outlives the result. FailedPrecondition where the host cannot;
  // InvalidArgument for more SPIs or vCPUs than KVM has room for.
  static absl::StatusOr<std::unique_ptr<Gicv3>> Create(Vm& vm,
                                                       const InterruptControllerConfig& config);

  std::string_view name() const override { return "GICv3"; }
  std::string description() const override;
  absl::Status Init() override;
  uint32_t spi_count() const override { return spi_count_; }
  uint32_t SpiIrqLine(uint32_t spi) const override;
  uint32_t PpiAttribute(uint32_t intid) const override { return intid; }
  std::vector<GuestRange> mmio() const override;
  const InterruptFdt& fdt() const override { return fdt_; }

  // Tables: into guest memory. EFAULT or EINVAL where the guest has them outside of its memory.
  absl::StatusOr<std::string> SaveTables() override;
  absl::StatusOr<std::string> SaveRegisters() override;
  // Writes nothing of a state that is damaged (InvalidArgument), of another VM or of a host with
  // another GIC (FailedPrecondition). An error of KVM leaves the controller half restored.
  absl::Status RestoreRegisters(std::string_view state) override;
  absl::Status RestoreTables(std::string_view state) override;
  // ICC_IGRPEN<n>_EL1 and GITS_CTLR. (GICD_CTLR comes with the registers: KVM loses an interrupt
  // that becomes pending before it.)
  absl::Status RestoreEnables(std::string_view state) override;

 private:
  Gicv3(Vm& vm, Device* device, uint32_t spi_count, std::vector<uint32_t> vcpu_ids, bool has_its)
      : vm_(vm),
        device_(*device),
        spi_count_(spi_count),
        vcpu_ids_(std::move(vcpu_ids)),
        has_its_(has_its),
        fdt_(has_its) {}

  absl::Status PlaceRedistributors();
  absl::Status InitIts();
  // The parts of the state. FailedPrecondition before Init.
  absl::StatusOr<Gicv3Devices> StatefulDevices() const;

  Vm& vm_;
  Device& device_;
  const uint32_t spi_count_;
  const std::vector<uint32_t> vcpu_ids_;
  const bool has_its_;
  bool initialised_ = false;
  Device* its_ = nullptr;  // after Init, where there is one
  const Gicv3Fdt fdt_;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV3_H_
