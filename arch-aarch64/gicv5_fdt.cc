// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/gicv5_fdt.h"

#include <vector>

#include "arch-aarch64/memory_layout.h"

namespace firn {
namespace {

// First cell of a specifier; LPIs (2) are never described.
constexpr uint32_t kTypePpi = 1;
constexpr uint32_t kTypeSpi = 3;

// The CONFIG frame. The SETLPI frame behind it is not described: without an ITS nobody uses it.
constexpr uint64_t kConfigFrameSize = 64 * kKiB;

}  // namespace

InterruptCells Gicv5Fdt::Ppi(uint32_t intid, InterruptTrigger trigger) const {
  return {kTypePpi, intid, static_cast<uint32_t>(trigger)};
}

InterruptCells Gicv5Fdt::Spi(uint32_t spi, InterruptTrigger trigger) const {
  return {kTypeSpi, spi, static_cast<uint32_t>(trigger)};
}

void Gicv5Fdt::AddNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids) const {
  std::vector<uint32_t> cpus;
  std::vector<uint16_t> iaffids;
  for (uint32_t id : vcpu_ids) {
    cpus.push_back(kFirstCpuPhandle + static_cast<uint32_t>(cpus.size()));
    iaffids.push_back(static_cast<uint16_t>(id));  // at most 512 vCPUs, gicv5-reference 1.6
  }

  FdtBuilder::Node gic = fdt.Begin("interrupt-controller");
  fdt.String("compatible", "arm,gic-v5");
  fdt.U32("phandle", kInterruptControllerPhandle);
  fdt.Empty("interrupt-controller");
  fdt.U32("#interrupt-cells", 3);
  fdt.U32("#address-cells", 2);
  fdt.U32("#size-cells", 2);
  fdt.Empty("ranges");

  FdtBuilder::Node irs = fdt.Begin("irs", irs_.value);
  fdt.String("compatible", "arm,gic-v5-irs");
  fdt.Ranges("reg", {*GuestRange::Create(irs_, kConfigFrameSize)});
  fdt.String("reg-names", "ns-config");
  fdt.U32("#address-cells", 2);
  fdt.U32("#size-cells", 2);
  fdt.Empty("ranges");
  fdt.Cells("cpus", cpus);
  fdt.U16Array("arm,iaffids", iaffids);
}

}  // namespace firn
