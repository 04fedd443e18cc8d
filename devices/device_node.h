// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What the FDT says about a kind of MMIO device. Data only: boot/ writes the node, because
// addresses, interrupt numbers and phandles are known there.
#ifndef FIRN_DEVICES_DEVICE_NODE_H_
#define FIRN_DEVICES_DEVICE_NODE_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace firn {

struct MmioDeviceNode {
  // The node's generic name, before "@address" (Devicetree Specification 2.2.2).
  std::string_view name;
  // "compatible", most specific first; unused entries are empty.
  std::array<std::string_view, 2> compatible;
  // Bytes of "reg".
  uint64_t size = 0;
  // An edge-triggered SPI.
  bool has_interrupt = true;
  // PrimeCell devices need "clocks" of a fixed clock with "clock-names" of this; empty: none.
  std::string_view clock_name = {};
  // "clock-frequency" in Hz; 0: no such property.
  uint32_t clock_frequency = 0;
  // "dma-coherent".
  bool dma_coherent = false;
};

}  // namespace firn

#endif  // FIRN_DEVICES_DEVICE_NODE_H_
