// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Numbers of the virtio specification, version 1.2, that every device and transport shares.
#ifndef FIRN_DEVICES_VIRTIO_VIRTIO_ABI_H_
#define FIRN_DEVICES_VIRTIO_VIRTIO_ABI_H_

#include <array>
#include <cstdint>

namespace firn::virtio {

// Section 5.
enum class DeviceType : uint32_t {
  kBlock = 2,
  kConsole = 3,
  kEntropy = 4,
};

// Section 2.1: device status.
inline constexpr uint32_t kAcknowledge = 1;
inline constexpr uint32_t kDriver = 2;
inline constexpr uint32_t kDriverOk = 4;
inline constexpr uint32_t kFeaturesOk = 8;
inline constexpr uint32_t kNeedsReset = 64;
inline constexpr uint32_t kFailed = 128;
// What a driver may set: all but the device's own bit.
inline constexpr uint32_t kDriverStatusBits =
    kAcknowledge | kDriver | kFeaturesOk | kDriverOk | kFailed;

// Section 3.1.1: a status bit and the one that must be set before it.
struct StatusStep {
  uint32_t bit;
  uint32_t after;
};
inline constexpr std::array<StatusStep, 4> kStatusSteps = {
    {{kAcknowledge, 0}, {kDriver, kAcknowledge}, {kFeaturesOk, kDriver}, {kDriverOk, kFeaturesOk}}};

// Section 6: features of queues and transport, as masks.
inline constexpr uint64_t kFeatureIndirectDescriptors = uint64_t{1} << 28;
inline constexpr uint64_t kFeatureEventIndex = uint64_t{1} << 29;
inline constexpr uint64_t kFeatureVersion1 = uint64_t{1} << 32;
// What every device of firn offers.
inline constexpr uint64_t kCommonFeatures =
    kFeatureIndirectDescriptors | kFeatureEventIndex | kFeatureVersion1;

// Section 2.7.5: a descriptor of a split queue.
struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

inline constexpr uint16_t kDescriptorNext = 1;
inline constexpr uint16_t kDescriptorWrite = 2;
inline constexpr uint16_t kDescriptorIndirect = 4;

// Section 2.7.8: an element of the used ring.
struct UsedElement {
  uint32_t id;
  uint32_t length;
};
static_assert(sizeof(UsedElement) == 8);

inline constexpr uint16_t kAvailNoInterrupt = 1;  // 2.7.6: flags of the available ring
inline constexpr uint16_t kUsedNoNotify = 1;      // 2.7.8: flags of the used ring

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_VIRTIO_ABI_H_
