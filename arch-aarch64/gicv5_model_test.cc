// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Gicv5 on the model of VGICv5, in each dialect that the model speaks.
#include <memory>

#include "arch-aarch64/gicv5.h"
#include "arch-aarch64/mock_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn {
namespace {

using software::gicv5::Dialect;
using software::gicv5::TestVm;
using ::testing::NiceMock;
using ::testing::Return;

class Gicv5ModelTest : public testing::TestWithParam<Dialect> {
 protected:
  Gicv5ModelTest() {
    ON_CALL(vm_, CreateDevice(kvm::kDevTypeArmVgicV5, true)).WillByDefault(Return(nullptr));
    ON_CALL(vm_, CreateDevice(kvm::kDevTypeArmVgicV5, false)).WillByDefault(Return(&model_.gic()));
  }

  absl::StatusOr<std::unique_ptr<Gicv5>> Create(uint32_t spis) {
    return Gicv5::Create(vm_, {.spis = spis, .vcpu_ids = {0, 17}});
  }

  TestVm model_{{.dialect = GetParam(), .vcpu_ids = {0, 17}}};
  NiceMock<MockVm> vm_;
};

TEST_P(Gicv5ModelTest, InitialisesOrSaysWhyNot) {
  auto gic = Create(40);
  if (GetParam() == Dialect::kPpiOnly) {
    EXPECT_TRUE(absl::IsFailedPrecondition(gic.status())) << gic.status();
    return;
  }
  ASSERT_TRUE(gic.ok()) << gic.status();
  const absl::Status init = (*gic)->Init();
  ASSERT_TRUE(init.ok()) << init;
  EXPECT_EQ((*gic)->spi_count(), 64);
  EXPECT_EQ(*GetAttrU32(model_.gic(), kvm::kVgicGrpNrIrqs, 0), 64);
  EXPECT_EQ(*GetAttrU64(model_.gic(), kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs),
            (*gic)->mmio()[0].base().value);

  // The guest can run, and SPIs go to where SpiIrqLine says; one beyond does not exist.
  EXPECT_EQ(model_.Run(0), 0);
  EXPECT_TRUE(model_.gic().IrqLine((*gic)->SpiIrqLine(63), true).ok());
  EXPECT_FALSE(model_.gic().IrqLine((*gic)->SpiIrqLine(64), true).ok());
}

TEST_P(Gicv5ModelTest, FindsTheIstInterface) {
  if (GetParam() == Dialect::kPpiOnly) GTEST_SKIP() << "has none";
  auto gic = Create(1024);
  ASSERT_TRUE(gic.ok()) << gic.status();
  ASSERT_TRUE((*gic)->Init().ok());
  EXPECT_EQ((*gic)->ist_interface(), GetParam() == Dialect::kMerged ? Gicv5IstInterface::kDescriptor
                                                                    : Gicv5IstInterface::kFlat);
}

INSTANTIATE_TEST_SUITE_P(Dialects, Gicv5ModelTest, testing::ValuesIn(software::gicv5::kAllDialects),
                         [](const auto& info) { return software::gicv5::DialectName(info.param); });

TEST(Gicv5ModelWithoutVcpusTest, InitIsRefused) {
  TestVm model({.vcpu_ids = {}});
  NiceMock<MockVm> vm;
  ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, true)).WillByDefault(Return(nullptr));
  ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, false)).WillByDefault(Return(&model.gic()));
  auto gic = Gicv5::Create(vm, {.spis = 1, .vcpu_ids = {0}});
  ASSERT_TRUE(gic.ok()) << gic.status();
  EXPECT_NE(GetErrno((*gic)->Init()), 0);
}

}  // namespace
}  // namespace firn
