// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/fdt.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "arch-aarch64/fdt_builder.h"
#include "arch-aarch64/fdt_nodes.h"

namespace firn {
namespace {

// A 16550's usual input clock; it only sets what baud rate a divisor means.
constexpr uint32_t kSerialClockHz = 1'843'200;
constexpr uint32_t kApbClockHz = 24'000'000;

void AddChosenNode(FdtBuilder& fdt, const FdtConfig& config) {
  FdtBuilder::Node chosen = fdt.Begin("chosen");
  fdt.String("bootargs", config.command_line.text());
  if (config.initrd) {
    fdt.U64("linux,initrd-start", config.initrd->base().value);
    fdt.U64("linux,initrd-end", config.initrd->end().value);
  }
  const auto console = std::find_if(config.devices.begin(), config.devices.end(),
                                    [](const FdtDevice& device) { return device.is_stdout; });
  if (console != config.devices.end()) {
    fdt.String("stdout-path",
               absl::StrFormat("/%s@%x", console->name, console->registers.base().value));
  }
  if (config.rng_seed) fdt.Bytes("rng-seed", *config.rng_seed);
  if (config.kaslr_seed) fdt.U64("kaslr-seed", *config.kaslr_seed);
}

void AddMemoryNode(FdtBuilder& fdt, const MemoryLayout& layout) {
  FdtBuilder::Node memory = fdt.Begin("memory", layout.ram()[0].base().value);
  fdt.String("device_type", "memory");
  fdt.Ranges("reg", layout.ram());
}

void AddApbClockNode(FdtBuilder& fdt) {
  FdtBuilder::Node clock = fdt.Begin("apb-pclk");
  fdt.String("compatible", "fixed-clock");
  fdt.U32("#clock-cells", 0);
  fdt.U32("clock-frequency", kApbClockHz);
  fdt.String("clock-output-names", "apb_pclk");
  fdt.U32("phandle", kApbClockPhandle);
}

void AddDeviceNode(FdtBuilder& fdt, const FdtDevice& device, const InterruptFdt& interrupts) {
  FdtBuilder::Node node = fdt.Begin(device.name, device.registers.base().value);
  fdt.Strings("compatible", device.compatible);
  fdt.Ranges("reg", {device.registers});
  if (device.spi) {
    fdt.Cells("interrupts", interrupts.Spi(*device.spi, InterruptTrigger::kEdgeRising));
  }
  if (device.apb_clock) {
    fdt.U32("clocks", kApbClockPhandle);
    fdt.String("clock-names", "apb_pclk");
  }
  if (device.dma_coherent) fdt.Empty("dma-coherent");
  for (const auto& [name, value] : device.cells) fdt.U32(name, value);
}

}  // namespace

FdtDevice SerialFdtDevice(uint32_t spi) {
  return {.name = "serial",
          .compatible = {"ns16550a"},
          .registers = kSerialRange,
          .spi = spi,
          .is_stdout = true,
          .cells = {{"clock-frequency", kSerialClockHz}, {"reg-shift", 0}, {"reg-io-width", 1}}};
}

FdtDevice RtcFdtDevice(std::optional<uint32_t> spi) {
  return {.name = "rtc",
          .compatible = {"arm,pl031", "arm,primecell"},
          .registers = kRtcRange,
          .spi = spi,
          .apb_clock = true};
}

FdtDevice PvpanicFdtDevice() {
  return {.name = "pvpanic", .compatible = {"qemu,pvpanic-mmio"}, .registers = kPvpanicRange};
}

FdtDevice VirtioMmioFdtDevice(GuestRange registers, uint32_t spi) {
  return {.name = "virtio",
          .compatible = {"virtio,mmio"},
          .registers = registers,
          .spi = spi,
          .dma_coherent = true};
}

FdtDevice VmGenIdFdtDevice(uint32_t spi) {
  return {
      .name = "rng", .compatible = {"microsoft,vmgenid"}, .registers = kVmGenIdRange, .spi = spi};
}

FdtDevice VmClockFdtDevice(uint32_t spi) {
  return {.name = "ptp", .compatible = {"amazon,vmclock"}, .registers = kVmClockRange, .spi = spi};
}

absl::StatusOr<std::vector<std::byte>> BuildFdt(const FdtConfig& config, const MemoryLayout& layout,
                                                const InterruptFdt& interrupts) {
  FdtBuilder fdt(kMaximumFdtSize);
  {
    FdtBuilder::Node root = fdt.Begin("");
    fdt.U32("#address-cells", 2);
    fdt.U32("#size-cells", 2);
    fdt.String("compatible", "linux,dummy-virt");
    fdt.String("model", "firn");
    fdt.U32("interrupt-parent", kInterruptControllerPhandle);

    AddChosenNode(fdt, config);
    AddMemoryNode(fdt, layout);
    AddCpuNodes(fdt, config.vcpu_ids);
    AddPsciNode(fdt);
    AddTimerNode(fdt, interrupts);
    if (config.has_pmu) AddPmuNode(fdt, interrupts);
    interrupts.AddNodes(fdt, config.vcpu_ids);
    AddApbClockNode(fdt);
    for (const FdtDevice& device : config.devices) AddDeviceNode(fdt, device, interrupts);
  }
  return fdt.Finish();
}

}  // namespace firn
