// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which devices a machine has, at which address and with which interrupt: a function of the
// configuration alone, so that the same configuration gives the same machine.
#ifndef FIRN_VMM_MACHINE_DEVICE_PLAN_H_
#define FIRN_VMM_MACHINE_DEVICE_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "boot/fdt.h"
#include "hypervisor/guest_address.h"
#include "vmm/config/config.h"

namespace firn {

struct PlannedDevice {
  enum class Kind { kSerial, kRtc, kPvpanic, kBlock, kRng, kConsole, kVmGenId, kVmClock };
  Kind kind = Kind::kSerial;
  std::string name;  // "serial", "rtc", "blk.DRIVE_ID", …
  GuestRange registers;
  std::optional<uint32_t> spi;
  size_t drive = 0;  // kBlock: index into VmConfig::drives
};

struct DevicePlan {
  // Platform devices, then the drives in their order (vda, vdb, …), then the other virtio devices,
  // then those that have pages instead of registers.
  std::vector<PlannedDevice> devices;
  // SPIs in use: 0 to spis - 1.
  uint32_t spis = 0;
};

// ResourceExhausted for more drives than there are virtio-mmio slots.
absl::StatusOr<DevicePlan> PlanDevices(const VmConfig& config);

// What the guest is told of them, and of the vCPUs and the command line; without seeds.
// InvalidArgument for a command line that no kernel takes.
absl::StatusOr<FdtConfig> DescribeMachine(const VmConfig& config, const DevicePlan& plan);

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_DEVICE_PLAN_H_
