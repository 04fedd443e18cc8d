// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_features.h"

#include <cerrno>
#include <cstring>
#include <set>

#include "arch-aarch64/gicv3.h"
#include "arch-aarch64/mock_vm.h"
#include "arch-aarch64/vcpu_setup.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::InSequence;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::StrictMock;

constexpr uint64_t kVls = 0x606000000015ffff;  // KVM_REG_ARM64_SVE_VLS
constexpr uint32_t kSve = 4;                   // KVM_ARM_VCPU_SVE

VcpuFeatures Probe(std::set<int> capabilities) {
  NiceMock<MockVm> vm;
  ON_CALL(vm, CheckExtension).WillByDefault([&](kvm::Capability capability) {
    return capabilities.contains(capability) ? 1 : 0;
  });
  return ProbeVcpuFeatures(vm);
}

TEST(VcpuFeaturesTest, BitsOfWhatTheHostHas) {
  EXPECT_EQ(Probe({}).InitBits(), 0u);
  EXPECT_EQ(Probe({126}).InitBits(), 1u << 3);
  EXPECT_EQ(Probe({170}).InitBits(), 1u << 4);
  EXPECT_EQ(Probe({171, 172}).InitBits(), 1u << 5 | 1u << 6);
  // One kind of pointer authentication alone is none.
  EXPECT_EQ(Probe({171}).InitBits(), 0u);
  EXPECT_EQ(Probe({172}).InitBits(), 0u);
  EXPECT_EQ(Probe({126, 170, 171, 172}).InitBits(), 0x78u);
}

TEST(VcpuFeaturesTest, VcpusGetThemAndAreFinalized) {
  NiceMock<MockVm> vm;
  StrictMock<MockVcpu> vcpu;
  EXPECT_CALL(vm, PreferredTarget).WillOnce(Return(kvm::VcpuInit{.target = 5, .features = {}}));
  EXPECT_CALL(vcpu, id).WillRepeatedly(Return(0));
  InSequence sequence;
  EXPECT_CALL(vcpu, Init(testing::Field(&kvm::VcpuInit::features,
                                        testing::ElementsAre(0x1c, 0, 0, 0, 0, 0, 0))))
      .WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(vcpu, GetRegister(kVls, _)).WillOnce([](uint64_t, absl::Span<std::byte> value) {
    EXPECT_EQ(value.size(), 64u);
    value[0] = std::byte{0b1011};
    return absl::OkStatus();
  });
  EXPECT_CALL(vcpu, Finalize(kSve)).WillOnce(Return(absl::OkStatus()));
  EXPECT_TRUE(InitVcpus(vm, {&vcpu}, {.sve = true, .pmu = true}).ok());
}

TEST(VcpuFeaturesTest, GivenVectorLengthsAreSetBeforeFinalize) {
  StrictMock<MockVcpu> vcpu;
  EXPECT_CALL(vcpu, id).WillRepeatedly(Return(0));
  InSequence sequence;
  EXPECT_CALL(vcpu, SetRegister(kVls, _)).WillOnce([](uint64_t, absl::Span<const std::byte> value) {
    EXPECT_EQ(value.size(), 64u);
    EXPECT_EQ(value[0], std::byte{1});
    return absl::OkStatus();
  });
  EXPECT_CALL(vcpu, Finalize(kSve)).WillOnce(Return(absl::OkStatus()));
  EXPECT_TRUE(FinalizeVcpu(vcpu, {.sve = true, .sve_vector_lengths = SveVectorLengths{1}}).ok());
}

TEST(VcpuFeaturesTest, FailuresOfSveNameTheVcpu) {
  NiceMock<MockVcpu> vcpu;
  ON_CALL(vcpu, id).WillByDefault(Return(3));
  EXPECT_CALL(vcpu, GetRegister).WillOnce(Return(ErrnoStatus(ENOENT, "KVM_GET_ONE_REG")));
  EXPECT_EQ(GetErrno(FinalizeVcpu(vcpu, {.sve = true})), ENOENT);

  EXPECT_CALL(vcpu, GetRegister).WillOnce(Return(absl::OkStatus()));  // all zeros
  EXPECT_THAT(FinalizeVcpu(vcpu, {.sve = true}).message(),
              AllOf(HasSubstr("vCPU 3"), HasSubstr("without a vector length")));

  EXPECT_THAT(FinalizeVcpu(vcpu, {.sve = true, .sve_vector_lengths = SveVectorLengths{}}).message(),
              HasSubstr("without a vector length"));

  EXPECT_CALL(vcpu, SetRegister).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(vcpu, Finalize).WillOnce(Return(ErrnoStatus(EINVAL, "KVM_ARM_VCPU_FINALIZE")));
  EXPECT_EQ(GetErrno(FinalizeVcpu(vcpu, {.sve = true, .sve_vector_lengths = SveVectorLengths{1}})),
            EINVAL);
}

TEST(VcpuFeaturesTest, PmuIsGivenItsInterruptAndThenMade) {
  NiceMock<MockVm> vm;
  NiceMock<MockDevice> device;
  ON_CALL(vm, CreateDevice).WillByDefault(Return(&device));
  const auto gic = Gicv3::Create(vm, {.spis = 1, .vcpu_ids = {0}});
  ASSERT_TRUE(gic.ok());
  StrictMock<MockVcpu> vcpu;
  EXPECT_CALL(vcpu, id).WillRepeatedly(Return(1));
  {
    InSequence sequence;
    EXPECT_CALL(vcpu, SetAttr(0, 0, _)).WillOnce([](uint32_t, uint64_t, uint64_t addr) {
      uint32_t intid = 0;
      std::memcpy(&intid, reinterpret_cast<const void*>(addr), sizeof(intid));
      EXPECT_EQ(intid, 23u);
      return absl::OkStatus();
    });
    EXPECT_CALL(vcpu, SetAttr(0, 1, 0)).WillOnce(Return(absl::OkStatus()));
  }
  EXPECT_TRUE(InitPmu({&vcpu}, **gic).ok());

  EXPECT_CALL(vcpu, SetAttr(0, 0, _)).WillOnce(Return(ErrnoStatus(ENODEV, "KVM_SET_DEVICE_ATTR")));
  const absl::Status status = InitPmu({&vcpu}, **gic);
  EXPECT_EQ(GetErrno(status), ENODEV);
  EXPECT_THAT(status.message(), HasSubstr("PMU of vCPU 1"));
}

}  // namespace
}  // namespace firn
