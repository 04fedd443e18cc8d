// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_setup.h"

#include <cerrno>
#include <cstring>
#include <map>

#include "arch-aarch64/mock_vm.h"
#include "arch-aarch64/spi_allocator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

constexpr uint32_t kPsci = 1u << kvm::kArmVcpuPsci02;
constexpr uint32_t kPowerOff = 1u << kvm::kArmVcpuPowerOff;

testing::Matcher<const kvm::VcpuInit&> HasFeatures(uint32_t features) {
  return AllOf(Field(&kvm::VcpuInit::target, kvm::kArmTargetGenericV8),
               Field(&kvm::VcpuInit::features, ElementsAre(features, 0, 0, 0, 0, 0, 0)));
}

TEST(VcpuSetupTest, AllButTheFirstStartPoweredOff) {
  NiceMock<MockVm> vm;
  NiceMock<MockVcpu> first, second, third;
  EXPECT_CALL(vm, PreferredTarget)
      .WillOnce(Return(kvm::VcpuInit{.target = kvm::kArmTargetGenericV8, .features = {}}));
  EXPECT_CALL(first, Init(HasFeatures(kPsci))).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(second, Init(HasFeatures(kPsci | kPowerOff))).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(third, Init(HasFeatures(kPsci | kPowerOff))).WillOnce(Return(absl::OkStatus()));
  EXPECT_TRUE(InitVcpus(vm, {&first, &second, &third}).ok());
}

TEST(VcpuSetupTest, FailureNamesTheVcpuAndStops) {
  NiceMock<MockVm> vm;
  NiceMock<MockVcpu> first, second;
  EXPECT_CALL(vm, PreferredTarget).WillOnce(Return(kvm::VcpuInit{}));
  EXPECT_CALL(first, id).WillRepeatedly(Return(7));
  EXPECT_CALL(first, Init).WillOnce(Return(ErrnoStatus(EINVAL, "KVM_ARM_VCPU_INIT")));
  EXPECT_CALL(second, Init).Times(0);
  const absl::Status status = InitVcpus(vm, {&first, &second});
  EXPECT_EQ(GetErrno(status), EINVAL);
  EXPECT_THAT(status.message(), HasSubstr("vCPU 7"));
}

TEST(VcpuSetupTest, NoPreferredTarget) {
  NiceMock<MockVm> vm;
  NiceMock<MockVcpu> vcpu;
  EXPECT_CALL(vm, PreferredTarget)
      .WillOnce(Return(ErrnoStatus(ENODEV, "KVM_ARM_PREFERRED_TARGET")));
  EXPECT_CALL(vcpu, Init).Times(0);
  EXPECT_EQ(GetErrno(InitVcpus(vm, {&vcpu})), ENODEV);
}

TEST(VcpuSetupTest, BootRegisters) {
  NiceMock<MockVcpu> vcpu;
  std::map<uint64_t, uint64_t> registers;
  EXPECT_CALL(vcpu, SetRegister(_, _))
      .WillRepeatedly([&](uint64_t id, absl::Span<const std::byte> value) {
        EXPECT_EQ(value.size(), 8);
        std::memcpy(&registers[id], value.data(), sizeof(uint64_t));
        return absl::OkStatus();
      });
  ASSERT_TRUE(SetBootRegisters(vcpu, GuestAddress(0x4008'0000), GuestAddress(0x4fe0'0000)).ok());
  const std::map<uint64_t, uint64_t> expected = {
      {kvm::CoreX(0), 0x4fe0'0000}, {kvm::CoreX(1), 0},          {kvm::CoreX(2), 0},
      {kvm::CoreX(3), 0},           {kvm::kCorePc, 0x4008'0000}, {kvm::kCorePstate, 0x3c5},
  };
  EXPECT_EQ(registers, expected);
}

TEST(VcpuSetupTest, RegisterFailureKeepsErrno) {
  NiceMock<MockVcpu> vcpu;
  EXPECT_CALL(vcpu, SetRegister(_, _)).WillRepeatedly(Return(ErrnoStatus(ENOENT, "SET_ONE_REG")));
  EXPECT_EQ(GetErrno(SetBootRegisters(vcpu, GuestAddress(0), GuestAddress(0))), ENOENT);
}

TEST(SpiAllocatorTest, CountsFromZeroToItsLimit) {
  SpiAllocator spis(3);
  EXPECT_EQ(*spis.Allocate(), 0);
  EXPECT_EQ(*spis.Allocate(), 1);
  EXPECT_EQ(*spis.Allocate(), 2);
  EXPECT_TRUE(absl::IsResourceExhausted(spis.Allocate().status()));
  EXPECT_EQ(spis.allocated(), 3);
}

}  // namespace
}  // namespace firn
