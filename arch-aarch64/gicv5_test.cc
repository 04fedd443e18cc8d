// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Gicv5 against each answer that a kernel may give (gicv5-reference 1.5 to 1.7).
#include "arch-aarch64/gicv5.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include "arch-aarch64/mock_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::InSequence;
using ::testing::Return;
using ::testing::StrictMock;

absl::Status Errno(int number) { return ErrnoStatus(number, "call"); }

class Gicv5Test : public testing::Test {
 protected:
  void HasDevice() {
    EXPECT_CALL(vm_, CreateDevice(kvm::kDevTypeArmVgicV5, true)).WillOnce(Return(nullptr));
    EXPECT_CALL(vm_, CreateDevice(kvm::kDevTypeArmVgicV5, false)).WillOnce(Return(&device_));
    EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs))
        .WillOnce(Return(absl::OkStatus()));
  }

  std::unique_ptr<Gicv5> Created(uint32_t spis = 3) {
    HasDevice();
    auto gic = Gicv5::Create(vm_, {.spis = spis, .vcpu_ids = {0, 1}});
    EXPECT_TRUE(gic.ok()) << gic.status();
    return *std::move(gic);
  }

  // The calls of Init, in the one order that all dialects accept.
  void ExpectInit(uint32_t spis, const absl::Status& has_irs_registers) {
    EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpIrsRegs, 0)).WillOnce(Return(has_irs_registers));
    EXPECT_CALL(device_, SetAttr(kvm::kVgicGrpNrIrqs, 0, PointsTo<uint32_t>(spis)))
        .WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, SetAttr(kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs,
                                 PointsTo<uint64_t>(0x0800'0000)))
        .WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, _))
        .WillOnce(Return(absl::OkStatus()));
  }

  // Init on a kernel that answers the IST probe so.
  Gicv5IstInterface Probed(const absl::Status& has_irs_registers, const absl::Status& get_ist) {
    const std::unique_ptr<Gicv5> gic = Created();
    InSequence sequence;
    ExpectInit(32, has_irs_registers);
    EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpIst, 0)).WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, GetAttr(kvm::kVgicGrpIst, 0, _)).WillOnce(Return(get_ist));
    EXPECT_TRUE(gic->Init().ok());
    return gic->ist_interface();
  }

  StrictMock<MockVm> vm_;
  StrictMock<MockDevice> device_;
};

TEST_F(Gicv5Test, NoGicv5OnTheHost) {
  EXPECT_CALL(vm_, CreateDevice(16, true)).WillOnce(Return(Errno(ENODEV)));
  EXPECT_CALL(vm_, CreateDevice(15, true)).WillOnce(Return(Errno(ENODEV)));
  const auto gic = Gicv5::Create(vm_, {.spis = 1, .vcpu_ids = {0}});
  EXPECT_TRUE(absl::IsFailedPrecondition(gic.status())) << gic.status();
  EXPECT_THAT(gic.status().message(), HasSubstr("this host has no GICv5"));
}

TEST_F(Gicv5Test, EarlyKernelsKnowItAs15) {
  EXPECT_CALL(vm_, CreateDevice(16, true)).WillOnce(Return(Errno(ENODEV)));
  EXPECT_CALL(vm_, CreateDevice(15, true)).WillOnce(Return(nullptr));
  EXPECT_CALL(vm_, CreateDevice(15, false)).WillOnce(Return(&device_));
  EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpAddr, 6)).WillOnce(Return(absl::OkStatus()));
  EXPECT_TRUE(Gicv5::Create(vm_, {.spis = 1, .vcpu_ids = {0}}).ok());
}

TEST_F(Gicv5Test, OtherErrorsOfTheProbeAreNotTakenForAbsence) {
  EXPECT_CALL(vm_, CreateDevice(16, true)).WillOnce(Return(Errno(EIO)));
  EXPECT_EQ(GetErrno(Gicv5::FindDeviceType(vm_).status()), EIO);
}

TEST_F(Gicv5Test, CreateFails) {
  EXPECT_CALL(vm_, CreateDevice(16, true)).WillOnce(Return(nullptr));
  EXPECT_CALL(vm_, CreateDevice(16, false)).WillOnce(Return(Errno(EEXIST)));
  const auto gic = Gicv5::Create(vm_, {.spis = 1, .vcpu_ids = {0}});
  EXPECT_EQ(GetErrno(gic.status()), EEXIST);
}

TEST_F(Gicv5Test, PpiOnlyKernelIsRefusedWithTheRemedy) {
  EXPECT_CALL(vm_, CreateDevice(16, true)).WillOnce(Return(nullptr));
  EXPECT_CALL(vm_, CreateDevice(16, false)).WillOnce(Return(&device_));
  EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpAddr, 6)).WillOnce(Return(Errno(ENXIO)));
  const auto gic = Gicv5::Create(vm_, {.spis = 1, .vcpu_ids = {0}});
  EXPECT_TRUE(absl::IsFailedPrecondition(gic.status())) << gic.status();
  EXPECT_THAT(gic.status().message(), HasSubstr("SPIs and LPIs"));
  EXPECT_THAT(gic.status().message(), HasSubstr("Linux 7.4"));
}

TEST_F(Gicv5Test, TooManySpisOrVcpus) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(Gicv5::Create(vm_, {.spis = 1025, .vcpu_ids = {0}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Gicv5::Create(vm_, {.spis = 1, .vcpu_ids = {}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Gicv5::Create(vm_, {.spis = 1, .vcpu_ids = std::vector<uint32_t>(513)}).status()));
}

TEST_F(Gicv5Test, SpiCountIsRoundedToWhatKvmTakes) {
  const std::pair<uint32_t, uint32_t> cases[] = {{0, 32},  {1, 32},      {32, 32},
                                                 {33, 64}, {1000, 1024}, {1024, 1024}};
  for (const auto& [wanted, given] : cases) EXPECT_EQ(Created(wanted)->spi_count(), given);
}

TEST_F(Gicv5Test, MergedDialect) {
  EXPECT_EQ(Probed(absl::OkStatus(), Errno(EINVAL)), Gicv5IstInterface::kDescriptor);
}

TEST_F(Gicv5Test, SeriesDialect) {
  EXPECT_EQ(Probed(Errno(ENXIO), absl::OkStatus()), Gicv5IstInterface::kFlat);
}

TEST_F(Gicv5Test, ContradictingAnswersMeanNoSnapshots) {
  EXPECT_EQ(Probed(Errno(ENXIO), Errno(EINVAL)), Gicv5IstInterface::kNone);
}

TEST_F(Gicv5Test, FlatAnswerOfAKernelThatLooksMergedMeansNoSnapshots) {
  EXPECT_EQ(Probed(absl::OkStatus(), absl::OkStatus()), Gicv5IstInterface::kNone);
}

TEST_F(Gicv5Test, UnknownAnswerMeansNoSnapshots) {
  EXPECT_EQ(Probed(absl::OkStatus(), Errno(EFAULT)), Gicv5IstInterface::kNone);
}

TEST_F(Gicv5Test, KernelWithoutIstGroupRunsGuests) {
  const std::unique_ptr<Gicv5> gic = Created(40);
  InSequence sequence;
  ExpectInit(64, absl::OkStatus());
  EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpIst, 0)).WillOnce(Return(Errno(ENXIO)));
  EXPECT_TRUE(gic->Init().ok());
  EXPECT_EQ(gic->ist_interface(), Gicv5IstInterface::kNone);
  EXPECT_THAT(gic->description(), HasSubstr("no snapshots"));
}

// The danger rule of gicv5-reference 1.5: zeros, and room for what a flat interface writes.
TEST_F(Gicv5Test, ProbeBufferIsZeroAndLargeEnoughForEveryDialect) {
  const std::unique_ptr<Gicv5> gic = Created(1024);
  ExpectInit(1024, Errno(ENXIO));
  EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpIst, 0)).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(device_, GetAttr(kvm::kVgicGrpIst, 0, _)).WillOnce([](auto, auto, uint64_t addr) {
    char* const buffer = reinterpret_cast<char*>(addr);
    for (size_t i = 0; i < 4096; ++i) EXPECT_EQ(buffer[i], 0);
    std::memset(buffer, 0xff, 1024 * 4);  // AddressSanitizer watches
    return absl::OkStatus();
  });
  EXPECT_TRUE(gic->Init().ok());
}

TEST_F(Gicv5Test, EachFailureOfInitKeepsErrnoAndStops) {
  {
    const std::unique_ptr<Gicv5> gic = Created();
    EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpIrsRegs, 0)).WillOnce(Return(Errno(EINVAL)));
    EXPECT_EQ(GetErrno(gic->Init()), EINVAL);
  }
  const uint32_t groups[] = {kvm::kVgicGrpNrIrqs, kvm::kVgicGrpAddr, kvm::kVgicGrpCtrl};
  for (size_t failing = 0; failing < 3; ++failing) {
    const std::unique_ptr<Gicv5> gic = Created();
    EXPECT_CALL(device_, HasAttr(kvm::kVgicGrpIrsRegs, 0)).WillOnce(Return(absl::OkStatus()));
    for (size_t i = 0; i <= failing; ++i) {
      EXPECT_CALL(device_, SetAttr(groups[i], _, _))
          .WillOnce(Return(i == failing ? Errno(EBUSY) : absl::OkStatus()));
    }
    const absl::Status status = gic->Init();
    EXPECT_EQ(GetErrno(status), EBUSY) << failing;
    EXPECT_THAT(status.message(), HasSubstr("GICv5"));
  }
}

TEST_F(Gicv5Test, Numbers) {
  const std::unique_ptr<Gicv5> gic = Created();
  EXPECT_EQ(gic->name(), "GICv5");
  EXPECT_EQ(gic->SpiIrqLine(5), kvm::IrqLineNumber(kvm::kIrqTypeSpi, 5));
  EXPECT_EQ(gic->PpiAttribute(23), 0x20000017u);
  ASSERT_EQ(gic->mmio().size(), 1);
  EXPECT_EQ(gic->mmio()[0].base(), GuestAddress(0x0800'0000));
  EXPECT_EQ(gic->mmio()[0].size(), 0x2'0000);
}

}  // namespace
}  // namespace firn
