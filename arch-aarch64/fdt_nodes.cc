// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/fdt_nodes.h"

#include <vector>

#include "arch-aarch64/vcpu_features.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

// INTIDs of the Arm base system architecture, in the binding's order.
constexpr uint32_t kTimerIntids[] = {
    29,  // EL3 physical
    30,  // EL1 physical
    27,  // EL1 virtual
    26,  // EL2 physical
};

}  // namespace

void AddCpuNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids) {
  FdtBuilder::Node cpus = fdt.Begin("cpus");
  // One cell holds MPIDR_EL1's Aff2 to Aff0; KVM leaves Aff3 zero.
  fdt.U32("#address-cells", 1);
  fdt.U32("#size-cells", 0);
  uint32_t phandle = kFirstCpuPhandle;
  for (uint32_t id : vcpu_ids) {
    const uint64_t affinity = MpidrAffinity(id);
    FdtBuilder::Node cpu = fdt.Begin("cpu", affinity);
    fdt.String("device_type", "cpu");
    fdt.String("compatible", "arm,armv8");
    fdt.U32("reg", static_cast<uint32_t>(affinity));
    fdt.String("enable-method", "psci");
    fdt.U32("phandle", phandle++);
  }
}

void AddPsciNode(FdtBuilder& fdt) {
  FdtBuilder::Node psci = fdt.Begin("psci");
  fdt.Strings("compatible", {"arm,psci-1.0", "arm,psci-0.2"});
  fdt.String("method", "hvc");
}

void AddTimerNode(FdtBuilder& fdt, const InterruptFdt& interrupts) {
  std::vector<uint32_t> cells;
  for (uint32_t intid : kTimerIntids) {
    const InterruptCells ppi = interrupts.Ppi(intid, InterruptTrigger::kLevelHigh);
    cells.insert(cells.end(), ppi.begin(), ppi.end());
  }
  FdtBuilder::Node timer = fdt.Begin("timer");
  fdt.String("compatible", "arm,armv8-timer");
  fdt.Cells("interrupts", cells);
  fdt.Empty("always-on");
}

void AddPmuNode(FdtBuilder& fdt, const InterruptFdt& interrupts) {
  FdtBuilder::Node pmu = fdt.Begin("pmu");
  fdt.String("compatible", "arm,armv8-pmuv3");
  fdt.Cells("interrupts", interrupts.Ppi(kPmuIntid, InterruptTrigger::kLevelHigh));
}

}  // namespace firn
