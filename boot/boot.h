// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Puts into guest memory what a kernel needs to start: itself, its initrd, its devicetree.
#ifndef FIRN_BOOT_BOOT_H_
#define FIRN_BOOT_BOOT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "arch-aarch64/interrupt_fdt.h"
#include "arch-aarch64/memory_layout.h"
#include "boot/fdt.h"
#include "boot/kernel.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"

namespace firn {

struct BootConfig {
  std::string kernel_path;
  std::optional<std::string> initrd_path;
  // Its `initrd` is filled in by LoadGuest.
  FdtConfig fdt;
};

struct BootImages {
  LoadedKernel kernel;
  std::optional<GuestRange> initrd;
  GuestRange fdt;
};

// Loads all into `memory`, which has `layout`'s ranges. What SetBootRegisters takes is
// kernel.entry and fdt.base(). Errors name the file, the cause and what to do.
absl::StatusOr<BootImages> LoadGuest(const BootConfig& config, const MemoryLayout& layout,
                                     const InterruptFdt& interrupts, GuestMemory& memory);

}  // namespace firn

#endif  // FIRN_BOOT_BOOT_H_
