// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/device_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/memory_layout.h"
#include "arch-aarch64/spi_allocator.h"
#include "boot/command_line.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using Kind = PlannedDevice::Kind;

// Adds devices one behind the other, and remembers the first error.
class Planner {
 public:
  void Platform(Kind kind, std::string name, GuestRange registers, bool has_interrupt) {
    Add({.kind = kind, .name = std::move(name), .registers = registers, .spi = {}}, has_interrupt);
  }
  void Virtio(Kind kind, std::string name, size_t drive = 0) {
    const absl::StatusOr<GuestRange> slot = VirtioMmioSlot(next_slot_++);
    if (!slot.ok()) {
      status_.Update(Annotate(slot.status(), name));
      return;
    }
    Add({.kind = kind, .name = std::move(name), .registers = *slot, .spi = {}, .drive = drive},
        /*has_interrupt=*/true);
  }
  absl::StatusOr<DevicePlan> Take() && {
    if (!status_.ok()) return status_;
    plan_.spis = spis_.allocated();
    return std::move(plan_);
  }

 private:
  void Add(PlannedDevice device, bool has_interrupt) {
    if (has_interrupt) {
      const absl::StatusOr<uint32_t> spi = spis_.Allocate();
      if (!spi.ok()) {
        status_.Update(Annotate(spi.status(), device.name));
        return;
      }
      device.spi = *spi;
    }
    plan_.devices.push_back(std::move(device));
  }

  DevicePlan plan_;
  SpiAllocator spis_;
  uint32_t next_slot_ = 0;
  absl::Status status_;
};

FdtDevice Describe(const PlannedDevice& device) {
  switch (device.kind) {
    case Kind::kSerial:
      return SerialFdtDevice(*device.spi);
    case Kind::kRtc:
      return RtcFdtDevice(device.spi);
    case Kind::kPvpanic:
      return PvpanicFdtDevice();
    case Kind::kVmGenId:
      return VmGenIdFdtDevice(*device.spi);
    case Kind::kVmClock:
      return VmClockFdtDevice(*device.spi);
    case Kind::kBlock:
    case Kind::kRng:
    case Kind::kConsole:
      break;
  }
  return VirtioMmioFdtDevice(device.registers, *device.spi);
}

}  // namespace

absl::StatusOr<DevicePlan> PlanDevices(const VmConfig& config) {
  Planner planner;
  planner.Platform(Kind::kSerial, "serial", kSerialRange, /*has_interrupt=*/true);
  planner.Platform(Kind::kRtc, "rtc", kRtcRange, /*has_interrupt=*/true);
  planner.Platform(Kind::kPvpanic, "pvpanic", kPvpanicRange, /*has_interrupt=*/false);
  for (size_t i = 0; i < config.drives.size(); ++i) {
    planner.Virtio(Kind::kBlock, absl::StrCat("blk.", config.drives[i].drive_id), i);
  }
  planner.Virtio(Kind::kRng, "rng");
  planner.Virtio(Kind::kConsole, "console");
  if (config.has_identity_devices) {
    planner.Platform(Kind::kVmGenId, "vmgenid", kVmGenIdRange, /*has_interrupt=*/true);
    planner.Platform(Kind::kVmClock, "vmclock", kVmClockRange, /*has_interrupt=*/true);
  }
  return std::move(planner).Take();
}

absl::StatusOr<FdtConfig> DescribeMachine(const VmConfig& config, const DevicePlan& plan) {
  FdtConfig fdt;
  absl::StatusOr<CommandLine> command_line = CommandLine::Create(BootArgs(config));
  if (!command_line.ok()) return Annotate(command_line.status(), "kernel command line");
  fdt.command_line = *std::move(command_line);
  for (uint32_t id = 0; id < config.machine.vcpu_count; ++id) fdt.vcpu_ids.push_back(id);
  for (const PlannedDevice& device : plan.devices) fdt.devices.push_back(Describe(device));
  return fdt;
}

}  // namespace firn
