// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// VGICv5 to the letter of KVM's user-space interface, and the GICv5 that a guest finds behind
// it: CPU interfaces, one IRS, SPI and LPI state tables. It needs no CPU: whoever executes the
// guest calls the methods of the CPU side.
// Source: gicv5-reference parts 1 to 5; Linux Documentation/virt/kvm/devices/arm-vgic-v5.rst.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_VGICV5_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_VGICV5_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/device.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/gicv5/dialect.h"

namespace firn::software::gicv5 {

// What a physical GICv5 host would limit.
struct HostLimits {
  Dialect dialect = Dialect::kMerged;
  uint32_t id_bits = 16;  // of LPIs
  uint32_t min_lpi_id_bits = 10;
  uint32_t priority_bits = 5;
  uint32_t pa_range = 5;  // IRS_IDR0.PA_RANGE: 48 bits
  uint32_t max_vpes = 512;
  // PPIs with a source in the machine, bit n for PPI n below 64: CNTV and CNTP. The guest sees
  // these and SW_PPI.
  uint64_t device_ppis = uint64_t{1} << 27 | uint64_t{1} << 30;
};

// What the GIC asks of the machine that it is part of.
class Machine {
 public:
  virtual ~Machine() = default;
  // A vCPU is inside Run now. / A vCPU has been in Run since the VM was created.
  virtual bool AnyVcpuRunning() const = 0;
  virtual bool AnyVcpuHasRun() const = 0;
  virtual int IpaBits() const = 0;
  // Every later ioctl of the VM gives EIO.
  virtual void MarkDead() = 0;
  // Host memory behind guest memory, or null where [address, address + size) is not in one
  // writable slot. Dialect (b) keeps LPI state there. Logs the range as dirty if `for_write`.
  virtual std::byte* GuestPhysical(GuestAddress address, uint64_t size, bool for_write) = 0;
};

// Interrupts that one vCPU acknowledged, by type.
struct AcknowledgeCounts {
  uint64_t ppi = 0;
  uint64_t lpi = 0;
  uint64_t spi = 0;
};

// Thread rules: none of its own; the machine lets one thread in at a time.
class Vgicv5 : public Device {
 public:
  // `machine` outlives the result.
  static std::unique_ptr<Vgicv5> Create(const HostLimits& limits, Machine* machine);

  // --- The machine's side -------------------------------------------------------------------

  // A vCPU of the VM, made before or after this device; `index` counts from 0 in order of
  // creation and names the vCPU below. Errors as KVM_CREATE_VCPU: EBUSY once initialised, EINVAL
  // for an id at or above the limit.
  virtual absl::Status AddVcpu(uint32_t index, uint32_t vcpu_id) = 0;

  // What KVM_RUN checks and does of the GIC before a vCPU enters the guest: EBUSY before
  // CTRL_INIT, ENXIO without an IRS address, EINVAL with an LPI restore pending; the first two
  // and the last mark the VM dead.
  virtual absl::Status PrepareRun(uint32_t index) = 0;

  // An in-kernel source drives a level PPI (timers, PMU).
  virtual void SetPpiLine(uint32_t index, uint32_t ppi, bool level) = 0;

  // KVM_IRQ_LINE: `irq` as kvm::IrqLineNumber packs it, with every errno of reference 1.11.
  virtual absl::Status IrqLine(uint32_t irq, bool level) = 0;
  // An SPI by its number, for irqfd: as IrqLine on an SPI.
  virtual absl::Status SpiLine(uint32_t spi, bool level) = 0;
  // True when the SPI is level-triggered and its handler has deactivated it since the line rose:
  // what a resample irqfd waits for. The callback runs inside CDDI.
  virtual void SetDeactivateObserver(std::function<void(uint32_t spi)> observer) = 0;

  // Errno values that the next operations of these kinds give (0: none): host allocation of an
  // LPI IST, and the host IRS's save and quiesce. Each lasts until it is set to 0. For tests.
  virtual void InjectAllocationFailure(int error_number) = 0;
  virtual void InjectQuiesceFailure(int error_number) = 0;

  // --- The CPU side ---------------------------------------------------------------------------

  // True where an interrupt passes mask and preemption on the vCPU: its IRQ input. Cheap.
  virtual bool IrqAsserted(uint32_t index) const = 0;
  // The same with superpriority (priority 0).
  virtual bool NmiAsserted(uint32_t index) const = 0;

  // ICC_* registers at EL1. False: the access is UNDEFINED.
  virtual bool ReadRegister(uint32_t index, SystemRegister reg, uint64_t* value) = 0;
  virtual bool WriteRegister(uint32_t index, SystemRegister reg, uint64_t value) = 0;
  // GIC instructions: SYS (GIC CD*, GSB) and SYSL (GICR CDIA, CDNMIA). `reg` is the
  // instruction's encoding, op0 1. `nmi_enabled` is SCTLR_EL1.NMI. False: UNDEFINED.
  virtual bool ExecuteSys(uint32_t index, SystemRegister reg, uint64_t operand) = 0;
  virtual bool ExecuteSysl(uint32_t index, SystemRegister reg, bool nmi_enabled,
                           uint64_t* result) = 0;

  // The IRS frames, once their address is known (and the VM has run): MMIO of the guest.
  // False where the address is not the IRS's. A read of a wrong width gives 0, a write of one
  // is ignored.
  virtual bool MmioRead(GuestAddress address, absl::Span<std::byte> data) = 0;
  virtual bool MmioWrite(GuestAddress address, absl::Span<const std::byte> data) = 0;

  virtual AcknowledgeCounts acknowledged(uint32_t index) const = 0;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_VGICV5_H_
