// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The guest physical map: where devices and RAM are, and where the kernel, the initrd and the
// FDT go in RAM.
//
//   0x00_0800_0000  interrupt controller (GICv5: the IRS)
//   0x00_1000_0000  platform devices: serial, RTC, ...; one 4 KiB page each
//   0x00_1001_0000  read-only memory, to which devices write what the guest reads:
//     0x1001_0000     virtio-mmio slots; one 4 KiB page each
//     0x1006_0000     VMGenID, VMClock; 64 KiB each
//   0x00_4000_0000  RAM, up to 255 GiB
//   0x40_0000_0000  hole, kept free for devices with 64-bit addresses
//   0x80_0000_0000  RAM beyond 255 GiB, up to the end of the guest physical address space
#ifndef FIRN_ARCH_AARCH64_MEMORY_LAYOUT_H_
#define FIRN_ARCH_AARCH64_MEMORY_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/guest_address.h"

namespace firn {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// The width of guest physical addresses that firn asks Hypervisor::CreateVm for, where the host
// has it.
inline constexpr int kDefaultIpaBits = 40;

// Every frame of the interrupt controller: GICv5's IRS (128 KiB) at its base, or GICv3's
// distributor and redistributors (128 KiB per vCPU).
inline constexpr GuestRange kInterruptControllerRegion =
    *GuestRange::Create(GuestAddress(0x0800'0000), 128 * kMiB);

// Room of one MMIO device.
inline constexpr uint64_t kMmioSlotSize = 4 * kKiB;

inline constexpr GuestRange kSerialRange =
    *GuestRange::Create(GuestAddress(0x1000'0000), kMmioSlotSize);
inline constexpr GuestRange kRtcRange =
    *GuestRange::Create(GuestAddress(0x1000'1000), kMmioSlotSize);
inline constexpr GuestRange kPvpanicRange =
    *GuestRange::Create(GuestAddress(0x1000'2000), kMmioSlotSize);

inline constexpr uint32_t kVirtioMmioSlots = 64;
inline constexpr GuestRange kVirtioMmioRegion =
    *GuestRange::Create(GuestAddress(0x1001'0000), kVirtioMmioSlots* kMmioSlotSize);

// The range of virtio-mmio slot `index`. ResourceExhausted from kVirtioMmioSlots on.
absl::StatusOr<GuestRange> VirtioMmioSlot(uint32_t index);

// 64 KiB each, so that a guest of any page size can map one without the other.
inline constexpr GuestRange kVmGenIdRange =
    *GuestRange::Create(GuestAddress(0x1006'0000), 64 * kKiB);
inline constexpr GuestRange kVmClockRange = *GuestRange::Create(kVmGenIdRange.end(), 64 * kKiB);

// Memory that the guest reads and devices write, outside of its RAM: all of these, as one read-only
// slot. Whole pages of a host of any page size.
inline constexpr GuestRange kSharedPagesRegion = *GuestRange::Create(
    kVirtioMmioRegion.base(), kVmClockRange.end().value - kVirtioMmioRegion.base().value);

inline constexpr GuestAddress kRamBase = GuestAddress(1 * kGiB);
inline constexpr GuestRange kMmio64Hole = *GuestRange::Create(GuestAddress(256 * kGiB), 256 * kGiB);

// RAM comes in whole MiB (Firecracker's mem_size_mib), at least 16 of them.
inline constexpr uint64_t kRamGranularity = 1 * kMiB;
inline constexpr uint64_t kMinimumRam = 16 * kMiB;

// The most that the kernel accepts (Documentation/arch/arm64/booting.rst section 2).
inline constexpr uint64_t kMaximumFdtSize = 2 * kMiB;

// The RAM of one guest. A value, immutable.
class MemoryLayout {
 public:
  // `memory_bytes` of RAM in a guest physical address space of `ipa_bits` (32 to 52).
  // InvalidArgument, with what is possible, for a size of 0, below kMinimumRam, not a multiple
  // of kRamGranularity, or beyond the address space.
  static absl::StatusOr<MemoryLayout> Create(uint64_t memory_bytes, int ipa_bits = kDefaultIpaBits);

  // What GuestMemory::Create takes: one or two ranges, ascending.
  absl::Span<const GuestRange> ram() const { return ram_; }

  // Kernel, initrd and FDT lie in this order in the first 32 GiB of RAM: booting.rst section 4
  // wants kernel and initrd within one window of 32 GiB that is 1 GiB aligned.

  // From the 2 MiB aligned base that the kernel's text_offset counts from, to the FDT.
  GuestRange kernel_space() const;
  // 2 MiB aligned, kMaximumFdtSize bytes.
  GuestRange fdt_space() const;
  // Where an initrd of `size` bytes goes: right below the FDT, 64 KiB aligned (the largest page
  // of a guest). ResourceExhausted where it would reach into `kernel`; size is above 0.
  absl::StatusOr<GuestRange> PlaceInitrd(uint64_t size, GuestRange kernel) const;

 private:
  explicit MemoryLayout(std::vector<GuestRange> ram) : ram_(std::move(ram)) {}

  std::vector<GuestRange> ram_;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_MEMORY_LAYOUT_H_
