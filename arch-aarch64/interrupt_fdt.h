// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// How an interrupt controller appears in the devicetree: its own nodes, and the interrupt
// specifiers of others. Apart from InterruptController, so that a tree needs no VM.
#ifndef FIRN_ARCH_AARCH64_INTERRUPT_FDT_H_
#define FIRN_ARCH_AARCH64_INTERRUPT_FDT_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "arch-aarch64/fdt_builder.h"

namespace firn {

// The third cell of a specifier, the same number for both controllers.
enum class InterruptTrigger : uint32_t { kEdgeRising = 1, kLevelHigh = 4 };

using InterruptCells = std::array<uint32_t, 3>;

// Phandles that nodes of other files refer to.
inline constexpr uint32_t kInterruptControllerPhandle = 1;
inline constexpr uint32_t kApbClockPhandle = 2;
// CPU n, in order of the list of vCPUs, has kFirstCpuPhandle + n.
inline constexpr uint32_t kFirstCpuPhandle = 0x100;

class InterruptFdt {
 public:
  virtual ~InterruptFdt() = default;

  // The specifier of a PPI by its INTID in the Arm base system architecture's numbering (16 to
  // 31), which GICv3 and GICv5 share: the virtual timer is 27.
  virtual InterruptCells Ppi(uint32_t intid, InterruptTrigger trigger) const = 0;
  // The specifier of an SPI, which firn counts from 0.
  virtual InterruptCells Spi(uint32_t spi, InterruptTrigger trigger) const = 0;

  // Writes the controller's node, of phandle kInterruptControllerPhandle, below the root (two
  // address and two size cells) for vCPUs of these ids.
  virtual void AddNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids) const = 0;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_INTERRUPT_FDT_H_
