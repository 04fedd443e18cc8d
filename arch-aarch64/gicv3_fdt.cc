// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/gicv3_fdt.h"

namespace firn {
namespace {

// First cell of a specifier.
constexpr uint32_t kTypeSpi = 0;
constexpr uint32_t kTypePpi = 1;
// PPIs are INTIDs from here on, and their specifiers count from 0.
constexpr uint32_t kFirstPpi = 16;

}  // namespace

GuestRange Gicv3Redistributors(size_t vcpus) {
  return *GuestRange::Create(kGicv3Redistributors, vcpus * kGicv3RedistributorSize);
}

InterruptCells Gicv3Fdt::Ppi(uint32_t intid, InterruptTrigger trigger) const {
  return {kTypePpi, intid - kFirstPpi, static_cast<uint32_t>(trigger)};
}

InterruptCells Gicv3Fdt::Spi(uint32_t spi, InterruptTrigger trigger) const {
  return {kTypeSpi, spi, static_cast<uint32_t>(trigger)};
}

void Gicv3Fdt::AddNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids) const {
  FdtBuilder::Node gic = fdt.Begin("interrupt-controller", kGicv3Distributor.base().value);
  fdt.String("compatible", "arm,gic-v3");
  fdt.U32("phandle", kInterruptControllerPhandle);
  fdt.Empty("interrupt-controller");
  fdt.U32("#interrupt-cells", 3);
  fdt.Ranges("reg", {kGicv3Distributor, Gicv3Redistributors(vcpu_ids.size())});
  fdt.U32("#redistributor-regions", 1);
  fdt.U32("#address-cells", 2);
  fdt.U32("#size-cells", 2);
  fdt.Empty("ranges");
  if (!has_its_) return;

  FdtBuilder::Node its = fdt.Begin("msi-controller", kGicv3Its.base().value);
  fdt.String("compatible", "arm,gic-v3-its");
  fdt.Empty("msi-controller");
  fdt.U32("#msi-cells", 1);
  fdt.Ranges("reg", {kGicv3Its});
}

}  // namespace firn
