// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GICv3 through KVM's VGICv3 and its ITS.
// Source: Linux Documentation/virt/kvm/devices/{arm-vgic-v3,arm-vgic-its}.rst.
#ifndef FIRN_ARCH_AARCH64_GICV3_H_
#define FIRN_ARCH_AARCH64_GICV3_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/gicv3_fdt.h"
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

  // Unimplemented until the snapshot engine is there.
  absl::StatusOr<std::string> SaveTables() override;
  absl::StatusOr<std::string> SaveRegisters() override;
  absl::Status RestoreRegisters(std::string_view state) override;
  absl::Status RestoreTables(std::string_view state) override;
  absl::Status RestoreEnables(std::string_view state) override;

 private:
  Gicv3(Vm& vm, Device* device, uint32_t spi_count, size_t vcpus, bool has_its)
      : vm_(vm),
        device_(*device),
        spi_count_(spi_count),
        vcpus_(vcpus),
        has_its_(has_its),
        fdt_(has_its) {}

  absl::Status PlaceRedistributors();
  absl::Status InitIts();

  Vm& vm_;
  Device& device_;
  const uint32_t spi_count_;
  const size_t vcpus_;
  const bool has_its_;
  const Gicv3Fdt fdt_;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV3_H_
