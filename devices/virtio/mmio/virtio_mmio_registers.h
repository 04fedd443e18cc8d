// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The register map of virtio-mmio version 2 (virtio 1.2 section 4.2.2, table 4.1).
#ifndef FIRN_DEVICES_VIRTIO_MMIO_VIRTIO_MMIO_REGISTERS_H_
#define FIRN_DEVICES_VIRTIO_MMIO_VIRTIO_MMIO_REGISTERS_H_

#include <cstdint>

namespace firn::virtio {

// Each is 32 bits wide, accessed as 32 aligned bits.
enum class MmioRegister : uint32_t {
  kMagicValue = 0x000,         // R   "virt"
  kVersion = 0x004,            // R   2
  kDeviceId = 0x008,           // R   section 5
  kVendorId = 0x00c,           // R
  kDeviceFeatures = 0x010,     // R   32 bits, chosen by DeviceFeaturesSel
  kDeviceFeaturesSel = 0x014,  // W
  kDriverFeatures = 0x020,     // W   32 bits, chosen by DriverFeaturesSel
  kDriverFeaturesSel = 0x024,  // W
  kQueueSel = 0x030,           // W   which queue the queue registers are about
  kQueueNumMax = 0x034,        // R   0: no such queue
  kQueueNum = 0x038,           // W   queue
  kQueueReady = 0x044,         // RW  queue
  kQueueNotify = 0x050,        // W   queue index
  kInterruptStatus = 0x060,    // R   bit 0 used buffers, bit 1 configuration change
  kInterruptAck = 0x064,       // W
  kStatus = 0x070,             // RW  section 2.1; 0 resets
  kQueueDescLow = 0x080,       // W   queue
  kQueueDescHigh = 0x084,      // W   queue
  kQueueDriverLow = 0x090,     // W   queue
  kQueueDriverHigh = 0x094,    // W   queue
  kQueueDeviceLow = 0x0a0,     // W   queue
  kQueueDeviceHigh = 0x0a4,    // W   queue
  kShmSel = 0x0ac,             // W
  kShmLenLow = 0x0b0,          // R   all ones: no shared memory
  kShmLenHigh = 0x0b4,         // R
  kShmBaseLow = 0x0b8,         // R
  kShmBaseHigh = 0x0bc,        // R
  kQueueReset = 0x0c0,         // RW  only with VIRTIO_F_RING_RESET, which is not offered
  kConfigGeneration = 0x0fc,   // R
};

// The device configuration space starts here; any width.
inline constexpr uint64_t kMmioConfig = 0x100;
// Bytes of the register window.
inline constexpr uint64_t kMmioSize = 0x200;

// Those with an R above.
inline constexpr MmioRegister kReadableRegisters[] = {
    MmioRegister::kMagicValue,  MmioRegister::kVersion,     MmioRegister::kDeviceId,
    MmioRegister::kVendorId,    MmioRegister::kQueueNumMax, MmioRegister::kDeviceFeatures,
    MmioRegister::kQueueReady,  MmioRegister::kStatus,      MmioRegister::kInterruptStatus,
    MmioRegister::kShmLenLow,   MmioRegister::kShmLenHigh,  MmioRegister::kShmBaseLow,
    MmioRegister::kShmBaseHigh, MmioRegister::kQueueReset,  MmioRegister::kConfigGeneration,
};

inline constexpr uint32_t kMmioMagic = 0x74726976;
inline constexpr uint32_t kMmioVersion = 2;
inline constexpr uint32_t kMmioVendor = 0x4e524946;  // "FIRN"

inline constexpr uint32_t kInterruptUsedBuffer = 1;
inline constexpr uint32_t kInterruptConfigChange = 2;

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_MMIO_VIRTIO_MMIO_REGISTERS_H_
