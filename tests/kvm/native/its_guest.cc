// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tests/kvm/native/its_guest.h"

#include "absl/log/check.h"
#include "tests/kvm/native/gic_registers.h"

namespace firn {
namespace {

constexpr uint64_t kValid = uint64_t{1} << 63;
constexpr uint64_t kQueueSize = 64 << 10;
constexpr uint64_t kLpiBits = 14;  // GICR_PROPBASER.IDbits + 1: LPIs up to 16383
constexpr uint64_t kEventBits = 5;

// GICR and GITS offsets.
constexpr uint64_t kGicrCtlr = 0, kGicrPropbaser = 0x70, kGicrPendbaser = 0x78;
constexpr uint64_t kGitsCtlr = 0, kGitsCbaser = 0x80, kGitsCwriter = 0x88, kGitsCreadr = 0x90;
constexpr uint64_t kGitsBaser = 0x100;

enum Command : uint64_t { kInt = 0x03, kMapd = 0x08, kMapc = 0x09, kMapti = 0x0a, kInv = 0x0c };

}  // namespace

GuestAddress PendingTable(uint32_t vcpu) {
  return GuestAddress(0x4050'0000 + uint64_t{vcpu} * 0x1'0000);
}

ItsGuest::ItsGuest(NativeVm& vm) : vm_(vm) {
  for (uint32_t vcpu = 0; vcpu < NativeVm::kVcpus; ++vcpu) {
    SetGicr64(vm, vcpu, kGicrPropbaser, kPropertyTable.value | (kLpiBits - 1));
    SetGicr64(vm, vcpu, kGicrPendbaser, PendingTable(vcpu).value);
    SetGicr(vm, vcpu, kGicrCtlr, 1);  // EnableLPIs
  }
  SetGits(vm, kGitsBaser, kValid | kDeviceTable.value);
  SetGits(vm, kGitsBaser + 8, kValid | kCollectionTable.value);
  SetGits(vm, kGitsCbaser, kValid | kCommandQueue.value | (kQueueSize / 4096 - 1));
  SetGits(vm, kGitsCtlr, 1);  // Enabled
  Execute({kMapd | uint64_t{kDeviceId} << 32, kEventBits - 1, kValid | kTranslations.value, 0});
  for (uint64_t vcpu = 0; vcpu < NativeVm::kVcpus; ++vcpu) {
    Execute({kMapc, 0, kValid | vcpu << 16 | vcpu, 0});
  }
}

void ItsGuest::Map(uint32_t event, uint32_t lpi, uint8_t priority, uint32_t vcpu) {
  const auto property = static_cast<uint8_t>(priority | 1);  // enabled
  CHECK_OK(vm_.memory().Store(GuestAddress(kPropertyTable.value + lpi - kFirstLpi), property));
  Execute({kMapti | uint64_t{kDeviceId} << 32, event | uint64_t{lpi} << 32, vcpu, 0});
  Execute({kInv | uint64_t{kDeviceId} << 32, event, 0, 0});
}

void ItsGuest::Raise(uint32_t event) { Execute({kInt | uint64_t{kDeviceId} << 32, event, 0, 0}); }

void ItsGuest::Queue(const std::array<uint64_t, 4>& command) {
  CHECK_OK(vm_.memory().Store(GuestAddress(kCommandQueue.value + written_), command));
  written_ += sizeof(command);
}

void ItsGuest::Execute(const std::array<uint64_t, 4>& command) {
  Queue(command);
  SetGits(vm_, kGitsCwriter, written_);
  CHECK_EQ(GetGits(vm_, kGitsCreadr), written_);
}

bool IsPendingInMemory(NativeVm& vm, uint32_t vcpu, uint32_t lpi) {
  const auto byte = vm.memory().Load<uint8_t>(GuestAddress(PendingTable(vcpu).value + lpi / 8));
  CHECK_OK(byte);
  return (*byte >> lpi % 8 & 1) != 0;
}

}  // namespace firn
