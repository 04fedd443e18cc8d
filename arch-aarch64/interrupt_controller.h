// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The in-kernel interrupt controller of a guest, GICv5 or GICv3 (docs/design.md section 3).
#ifndef FIRN_ARCH_AARCH64_INTERRUPT_CONTROLLER_H_
#define FIRN_ARCH_AARCH64_INTERRUPT_CONTROLLER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/interrupt_fdt.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/vm.h"

namespace firn {

struct InterruptControllerConfig {
  // SPIs that devices use; the controller may have more.
  uint32_t spis = 0;
  // The ids of the VM's vCPUs, in the order of the devicetree.
  std::vector<uint32_t> vcpu_ids;
};

// Life: an implementation's Create makes the device, then the caller makes and initialises all
// vCPUs, then calls Init, and then may run them.
// Thread rules: none of its own; Save and Restore while no vCPU is in Run.
class InterruptController {
 public:
  virtual ~InterruptController() = default;

  // "GICv5" or "GICv3".
  virtual std::string_view name() const = 0;
  // One line on what this host's implementation can and cannot do, complete after Init.
  virtual std::string description() const = 0;

  // Places and initialises the device; every vCPU exists. Errors keep KVM's errno.
  virtual absl::Status Init() = 0;

  // SPIs are 0 to spi_count() - 1, here and in the devicetree. IrqFd::gsi is the SPI's number.
  virtual uint32_t spi_count() const = 0;
  // What Vm::IrqLine takes for an SPI.
  virtual uint32_t SpiIrqLine(uint32_t spi) const = 0;
  // What a vCPU's attributes take for a PPI, which is given by its INTID in the Arm base system
  // architecture's numbering (16 to 31).
  virtual uint32_t PpiAttribute(uint32_t intid) const = 0;
  // Every guest physical address that the device answers.
  virtual std::vector<GuestRange> mmio() const = 0;

  virtual const InterruptFdt& fdt() const = 0;

  // Save and restore, in the phases of docs/design.md section 4. The result of a Save is the
  // state in the snapshot's encoding, opaque to the caller.
  //
  // Part of the state is in tables. SaveTables brings them out (GICv5: the ISTs; GICv3: pending
  // and ITS tables) and comes before the snapshot of guest memory, which it may write to.
  virtual absl::StatusOr<std::string> SaveTables() = 0;
  // GICv5: IRS registers, and ICC_* of each vCPU. GICv3: GICD, GICR and ICC_*.
  virtual absl::StatusOr<std::string> SaveRegisters() = 0;
  // Into a new controller after Init, with guest memory in place and before any vCPU has run:
  // the registers of the vCPUs, and those that describe the tables.
  virtual absl::Status RestoreRegisters(std::string_view state) = 0;
  // After RestoreRegisters.
  virtual absl::Status RestoreTables(std::string_view state) = 0;
  // Last, with the state of SaveRegisters: what lets interrupts flow (GICv5: the rest of the IRS,
  // IRS_CR0 at the end).
  virtual absl::Status RestoreEnables(std::string_view state) = 0;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_INTERRUPT_CONTROLLER_H_
