// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The readable registers of a virtio-mmio device as memory, which a guest reads without leaving.
#ifndef FIRN_DEVICES_VIRTIO_MMIO_REGISTER_PAGE_H_
#define FIRN_DEVICES_VIRTIO_MMIO_REGISTER_PAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "devices/virtio/mmio/virtio_mmio_registers.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"

namespace firn::virtio {

// The guest has these pages in a read-only memory slot: its loads are loads of memory, and its
// stores arrive as MMIO. What a load finds is up to whoever publishes: a register that is not
// written here reads as it did.
//
// A value, and a reference to memory. Thread rules: Get and Read from any thread; the rest one
// thread at a time. The guest reads meanwhile, each 32-bit register old or new.
class RegisterPage {
 public:
  // The register window begins at `registers`, 4 KiB aligned, of `memory`, which outlives the page.
  // OutOfRange where `memory` has no such window; InvalidArgument for another alignment.
  static absl::StatusOr<RegisterPage> Create(GuestMemory& memory, GuestAddress registers);

  uint32_t Get(MmioRegister reg) const { return Word(static_cast<uint64_t>(reg)); }
  // When it returns, every load of the guest finds `value`. A register that has the value already
  // costs nothing.
  void Set(MmioRegister reg, uint32_t value) { SetWord(static_cast<uint64_t>(reg), value); }
  // The same for the device configuration space, word by word.
  using ConfigSpace = std::array<std::byte, kMmioSize - kMmioConfig>;
  void SetConfig(const ConfigSpace& config);

  // What a load of the guest finds; zero behind the window.
  void Read(uint64_t offset, absl::Span<std::byte> data) const;

 private:
  explicit RegisterPage(absl::Span<std::byte> window) : window_(window) {}

  uint32_t Word(uint64_t offset) const;
  void SetWord(uint64_t offset, uint32_t value);

  absl::Span<std::byte> window_;
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_MMIO_REGISTER_PAGE_H_
