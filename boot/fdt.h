// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The devicetree that a guest boots with.
// Source: Devicetree Specification v0.4; Linux Documentation/devicetree/bindings.
#ifndef FIRN_BOOT_FDT_H_
#define FIRN_BOOT_FDT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "arch-aarch64/interrupt_fdt.h"
#include "arch-aarch64/memory_layout.h"
#include "boot/command_line.h"
#include "hypervisor/guest_address.h"

namespace firn {

// One memory-mapped device, in the words of its binding.
struct FdtDevice {
  // The node's name, without "@address".
  std::string name;
  // Most specific first.
  std::vector<std::string> compatible;
  GuestRange registers;
  // Edge-triggered; none for a device without an interrupt.
  std::optional<uint32_t> spi = std::nullopt;
  // DMA goes through the caches.
  bool dma_coherent = false;
  // An AMBA PrimeCell's clock input "apb_pclk".
  bool apb_clock = false;
  // The console of `stdout-path`; at most one.
  bool is_stdout = false;
  // More properties of one cell.
  std::vector<std::pair<std::string, uint32_t>> cells = {};
};

// The devices of the platform (memory_layout.h).
FdtDevice SerialFdtDevice(uint32_t spi);                            // ns16550a
FdtDevice RtcFdtDevice(std::optional<uint32_t> spi);                // arm,pl031
FdtDevice PvpanicFdtDevice();                                       // qemu,pvpanic-mmio
FdtDevice VirtioMmioFdtDevice(GuestRange registers, uint32_t spi);  // virtio,mmio
FdtDevice VmGenIdFdtDevice(uint32_t spi);                           // microsoft,vmgenid
FdtDevice VmClockFdtDevice(uint32_t spi);                           // amazon,vmclock

struct FdtConfig {
  CommandLine command_line;
  std::optional<GuestRange> initrd;
  // Entropy that the kernel is given at boot. Without it, the property is left out.
  std::optional<std::array<std::byte, 64>> rng_seed;
  std::optional<uint64_t> kaslr_seed;
  // In the order that CPUs are numbered in; the first one boots.
  std::vector<uint32_t> vcpu_ids;
  // The vCPUs have a PMU.
  bool has_pmu = false;
  std::vector<FdtDevice> devices;
};

// Builds the blob, at most kMaximumFdtSize bytes: ResourceExhausted beyond.
absl::StatusOr<std::vector<std::byte>> BuildFdt(const FdtConfig& config, const MemoryLayout& layout,
                                                const InterruptFdt& interrupts);

}  // namespace firn

#endif  // FIRN_BOOT_FDT_H_
