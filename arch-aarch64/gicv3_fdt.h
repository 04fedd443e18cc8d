// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GICv3 in the guest physical map and in the devicetree.
// Source: Linux Documentation/devicetree/bindings/interrupt-controller/arm,gic-v3.yaml.
#ifndef FIRN_ARCH_AARCH64_GICV3_FDT_H_
#define FIRN_ARCH_AARCH64_GICV3_FDT_H_

#include <cstdint>

#include "arch-aarch64/interrupt_fdt.h"
#include "arch-aarch64/memory_layout.h"
#include "hypervisor/guest_address.h"

namespace firn {

// Frames within kInterruptControllerRegion. Each base is 64 KiB aligned, as KVM wants it.
inline constexpr GuestRange kGicv3Distributor =
    *GuestRange::Create(kInterruptControllerRegion.base(), 64 * kKiB);
inline constexpr GuestRange kGicv3Its = *GuestRange::Create(
    GuestAddress(kInterruptControllerRegion.base().value + 128 * kKiB), 128 * kKiB);
// A redistributor for each vCPU, one behind the other: RD_base and SGI_base.
inline constexpr GuestAddress kGicv3Redistributors =
    GuestAddress(kInterruptControllerRegion.base().value + 1 * kMiB);
inline constexpr uint64_t kGicv3RedistributorSize = 128 * kKiB;

// The redistributors of so many vCPUs, at most kGicv3MaximumVcpus.
GuestRange Gicv3Redistributors(size_t vcpus);
inline constexpr size_t kGicv3MaximumVcpus = 512;  // KVM's
static_assert(kGicv3MaximumVcpus * kGicv3RedistributorSize <=
              kInterruptControllerRegion.size() - 1 * kMiB);

class Gicv3Fdt final : public InterruptFdt {
 public:
  explicit Gicv3Fdt(bool has_its) : has_its_(has_its) {}

  InterruptCells Ppi(uint32_t intid, InterruptTrigger trigger) const override;
  InterruptCells Spi(uint32_t spi, InterruptTrigger trigger) const override;
  void AddNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids) const override;

 private:
  const bool has_its_;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV3_FDT_H_
