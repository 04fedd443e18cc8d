// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// GICv5 in the devicetree.
// Source: Linux Documentation/devicetree/bindings/interrupt-controller/arm,gic-v5.yaml.
#ifndef FIRN_ARCH_AARCH64_GICV5_FDT_H_
#define FIRN_ARCH_AARCH64_GICV5_FDT_H_

#include "arch-aarch64/interrupt_fdt.h"
#include "hypervisor/guest_address.h"

namespace firn {

class Gicv5Fdt final : public InterruptFdt {
 public:
  // `irs` is the base of the IRS's CONFIG frame.
  explicit Gicv5Fdt(GuestAddress irs) : irs_(irs) {}

  InterruptCells Ppi(uint32_t intid, InterruptTrigger trigger) const override;
  InterruptCells Spi(uint32_t spi, InterruptTrigger trigger) const override;
  // The IAFFID of a vCPU is its id.
  void AddNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids) const override;

 private:
  const GuestAddress irs_;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV5_FDT_H_
