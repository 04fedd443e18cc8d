// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// pvpanic: the device by which a guest kernel reports its panic (qemu,pvpanic-mmio).
// Source: QEMU docs/specs/pvpanic.rst; Linux drivers/misc/pvpanic, include/uapi/misc/pvpanic.h.
#ifndef FIRN_DEVICES_PVPANIC_PVPANIC_H_
#define FIRN_DEVICES_PVPANIC_PVPANIC_H_

#include <cstdint>
#include <functional>

#include "devices/device_stats.h"
#include "devices/mmio_device.h"

namespace firn {

// One byte at offset 0: reads say which events the device knows, writes report them.
enum PvpanicEvent : uint8_t {
  kPvpanicPanicked = 1 << 0,     // the kernel has halted
  kPvpanicCrashLoaded = 1 << 1,  // a crash kernel goes on: no reason to stop
};

// Thread rules: any thread, any method.
class Pvpanic final : public MmioDevice {
 public:
  // `on_panic` is called on the vCPU's thread, each time that the guest reports a panic.
  explicit Pvpanic(std::function<void()> on_panic) : on_panic_(std::move(on_panic)) {}

  void Read(uint64_t offset, absl::Span<std::byte> data) override;
  void Write(uint64_t offset, absl::Span<const std::byte> data) override;

  // requests: accesses; errors: those that the device does not know.
  DeviceStats stats() const { return counters_.Snapshot(); }

 private:
  DeviceCounters counters_;
  const std::function<void()> on_panic_;
};

}  // namespace firn

#endif  // FIRN_DEVICES_PVPANIC_PVPANIC_H_
