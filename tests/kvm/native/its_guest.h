// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a guest does to get LPIs: tables in its memory, registers, commands.
// Source: Arm IHI 0069 section 5 (ITS, commands) and 12.
#ifndef FIRN_TESTS_KVM_NATIVE_ITS_GUEST_H_
#define FIRN_TESTS_KVM_NATIVE_ITS_GUEST_H_

#include <array>
#include <cstdint>

#include "tests/kvm/native/native_vm.h"

namespace firn {

inline constexpr uint32_t kFirstLpi = 8192;

// Where the guest has its tables.
inline constexpr GuestAddress kDeviceTable(0x4040'0000), kCollectionTable(0x4041'0000),
    kCommandQueue(0x4042'0000), kTranslations(0x4043'0000), kPropertyTable(0x4044'0000);
GuestAddress PendingTable(uint32_t vcpu);

// The driver of one ITS, from an ITS that is off on: its own reset first.
class ItsGuest {
 public:
  static constexpr uint32_t kDeviceId = 3;

  // Enables LPIs on each vCPU and the ITS, with an event table for kDeviceId and a collection for
  // each vCPU.
  explicit ItsGuest(NativeVm& vm);

  // Event `event` is LPI `lpi`, of `priority`, on `vcpu`.
  void Map(uint32_t event, uint32_t lpi, uint8_t priority, uint32_t vcpu);
  // The device sends the event's message.
  void Raise(uint32_t event);
  // A command that the ITS is not told of.
  void Queue(const std::array<uint64_t, 4>& command);

 private:
  void Execute(const std::array<uint64_t, 4>& command);

  NativeVm& vm_;
  uint64_t written_ = 0;  // GITS_CWRITER
};

// In the pending table, as far as it is flushed.
bool IsPendingInMemory(NativeVm& vm, uint32_t vcpu, uint32_t lpi);

}  // namespace firn

#endif  // FIRN_TESTS_KVM_NATIVE_ITS_GUEST_H_
