// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam as GoogleMock objects: tests say which calls come, in which order, and what they give.
#ifndef FIRN_ARCH_AARCH64_MOCK_VM_H_
#define FIRN_ARCH_AARCH64_MOCK_VM_H_

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "gmock/gmock.h"
#include "hypervisor/device.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vm.h"

namespace firn {

// Matches a call whose `addr` points at a T of that value.
template <typename T>
auto PointsTo(T value) {
  return testing::Truly([value](uint64_t addr) {
    T actual;
    std::memcpy(&actual, reinterpret_cast<const void*>(addr), sizeof(actual));
    return actual == value;
  });
}

// What these classes have of GoogleMock's templates is compiled once, in mock_vm.cc: constructors,
// destructors, virtual functions, and the nice and strict classes of them.
class MockDevice : public Device {
 public:
  MockDevice();
  ~MockDevice() override;
  MOCK_METHOD(absl::Status, HasAttr, (uint32_t group, uint64_t attr), (override));
  MOCK_METHOD(absl::Status, GetAttr, (uint32_t group, uint64_t attr, uint64_t addr), (override));
  MOCK_METHOD(absl::Status, SetAttr, (uint32_t group, uint64_t attr, uint64_t addr), (override));
};

class MockVcpu : public Vcpu {
 public:
  MockVcpu();
  ~MockVcpu() override;
  MOCK_METHOD(absl::Status, HasAttr, (uint32_t group, uint64_t attr), (override));
  MOCK_METHOD(absl::Status, GetAttr, (uint32_t group, uint64_t attr, uint64_t addr), (override));
  MOCK_METHOD(absl::Status, SetAttr, (uint32_t group, uint64_t attr, uint64_t addr), (override));
  MOCK_METHOD(uint32_t, id, (), (const, override));
  MOCK_METHOD(absl::Status, Init, (const kvm::VcpuInit& init), (override));
  MOCK_METHOD(absl::Status, Finalize, (uint32_t feature), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<uint64_t>>, RegisterList, (), (override));
  MOCK_METHOD(absl::Status, GetRegister, (uint64_t id, absl::Span<std::byte> value), (override));
  MOCK_METHOD(absl::Status, SetRegister, (uint64_t id, absl::Span<const std::byte> value),
              (override));
  MOCK_METHOD(absl::StatusOr<kvm::MpState>, GetMpState, (), (override));
  MOCK_METHOD(absl::Status, SetMpState, (kvm::MpState state), (override));
  MOCK_METHOD(absl::StatusOr<kvm::VcpuEvents>, GetEvents, (), (override));
  MOCK_METHOD(absl::Status, SetEvents, (const kvm::VcpuEvents& events), (override));
  MOCK_METHOD(absl::Status, PreFaultMemory, (const GuestRange& range), (override));
  MOCK_METHOD(absl::StatusOr<Exit>, Run, (), (override));
  MOCK_METHOD(absl::Status, CompleteExit, (), (override));
  MOCK_METHOD(void, Kick, (), (override));
  MOCK_METHOD(VcpuStats, stats, (), (const, override));
};

class MockVm : public Vm {
 public:
  MockVm();
  ~MockVm() override;
  MOCK_METHOD(int, CheckExtension, (kvm::Capability capability), (const, override));
  MOCK_METHOD(absl::Status, SetMemorySlot, (const MemorySlot& slot), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<uint64_t>>, GetDirtyLog, (uint32_t slot), (override));
  MOCK_METHOD(absl::StatusOr<kvm::VcpuInit>, PreferredTarget, (), (override));
  MOCK_METHOD(absl::StatusOr<std::unique_ptr<Vcpu>>, CreateVcpu, (uint32_t id), (override));
  MOCK_METHOD(absl::StatusOr<Device*>, CreateDevice, (uint32_t type, bool test_only), (override));
  MOCK_METHOD(absl::Status, IrqLine, (uint32_t irq, bool level), (override));
  MOCK_METHOD(absl::Status, RegisterIrqFd, (const IrqFd& irqfd), (override));
  MOCK_METHOD(absl::Status, RegisterIoEventFd, (const IoEventFd& ioeventfd), (override));
  MOCK_METHOD(absl::Status, SetGsiRouting, (absl::Span<const GsiRoute> routes), (override));
  MOCK_METHOD(absl::Status, SetCounterOffset, (uint64_t offset), (override));
  MOCK_METHOD(uint64_t, Counter, (), (const, override));
  MOCK_METHOD(uint64_t, CounterFrequency, (), (const, override));
  MOCK_METHOD(void, SetSettleCallback, (std::function<void()> settle), (override));
  MOCK_METHOD(absl::Status, SetCounterAlarm, (const std::optional<CounterAlarm>& alarm),
              (override));
};

}  // namespace firn

extern template class testing::NiceMock<firn::MockDevice>;
extern template class testing::NiceMock<firn::MockVcpu>;
extern template class testing::NiceMock<firn::MockVm>;
extern template class testing::StrictMock<firn::MockDevice>;
extern template class testing::StrictMock<firn::MockVcpu>;
extern template class testing::StrictMock<firn::MockVm>;

#endif  // FIRN_ARCH_AARCH64_MOCK_VM_H_
