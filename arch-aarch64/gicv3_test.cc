// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/gicv3.h"

#include <cerrno>
#include <memory>
#include <vector>

#include "arch-aarch64/fdt_nodes.h"
#include "arch-aarch64/fdt_reader.h"
#include "arch-aarch64/mock_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::InSequence;
using ::testing::Optional;
using ::testing::Return;
using ::testing::StrictMock;

// The numbers are the kernel's: device types 7 and 8; groups ADDR 0, NR_IRQS 3, CTRL 4; address
// types DIST 2, REDIST 3, ITS 4, REDIST_REGION 5.

absl::Status Errno(int number) { return ErrnoStatus(number, "call"); }

std::vector<uint32_t> Ids(size_t count) {
  std::vector<uint32_t> ids;
  for (uint32_t id = 0; id < count; ++id) ids.push_back(id);
  return ids;
}

class Gicv3Test : public testing::Test {
 protected:
  std::unique_ptr<Gicv3> Created(uint32_t spis, size_t vcpus, bool has_its) {
    EXPECT_CALL(vm_, CreateDevice(7, true)).WillOnce(Return(nullptr));
    EXPECT_CALL(vm_, CreateDevice(7, false)).WillOnce(Return(&device_));
    EXPECT_CALL(vm_, CreateDevice(8, true))
        .WillOnce(Return(has_its ? absl::StatusOr<Device*>(nullptr) : Errno(ENODEV)));
    auto gic = Gicv3::Create(vm_, {.spis = spis, .vcpu_ids = Ids(vcpus)});
    EXPECT_TRUE(gic.ok()) << gic.status();
    return *std::move(gic);
  }

  StrictMock<MockVm> vm_;
  StrictMock<MockDevice> device_;
  StrictMock<MockDevice> its_;
};

TEST_F(Gicv3Test, InitInTheOrderThatKvmWants) {
  const struct {
    size_t vcpus;
    uint32_t spis;
    uint32_t nr_irqs;
    uint64_t region;  // count[63:52], base 0x0810'0000
  } cases[] = {
      {1, 0, 64, 0x0010'0000'0810'0000},
      {4, 32, 64, 0x0040'0000'0810'0000},
      {200, 33, 96, 0x0c80'0000'0810'0000},
      {512, 960, 992, 0x2000'0000'0810'0000},
  };
  for (const auto& c : cases) {
    const std::unique_ptr<Gicv3> gic = Created(c.spis, c.vcpus, /*has_its=*/true);
    InSequence sequence;
    EXPECT_CALL(device_, SetAttr(3, 0, PointsTo<uint32_t>(c.nr_irqs)))
        .WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, SetAttr(0, 2, PointsTo<uint64_t>(0x0800'0000)))
        .WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, HasAttr(0, 5)).WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, SetAttr(0, 5, PointsTo<uint64_t>(c.region)))
        .WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(device_, SetAttr(4, 0, _)).WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(vm_, CreateDevice(8, false)).WillOnce(Return(&its_));
    EXPECT_CALL(its_, SetAttr(0, 4, PointsTo<uint64_t>(0x0802'0000)))
        .WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(its_, SetAttr(4, 0, _)).WillOnce(Return(absl::OkStatus()));
    EXPECT_TRUE(gic->Init().ok());
    EXPECT_EQ(gic->spi_count(), c.nr_irqs - 32);
    EXPECT_THAT(gic->description(), HasSubstr("ITS"));
  }
}

TEST_F(Gicv3Test, OldKernelWithoutRegionsAndWithoutIts) {
  const std::unique_ptr<Gicv3> gic = Created(1, 2, /*has_its=*/false);
  InSequence sequence;
  EXPECT_CALL(device_, SetAttr(3, 0, _)).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(device_, SetAttr(0, 2, _)).WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(device_, HasAttr(0, 5)).WillOnce(Return(Errno(ENXIO)));
  EXPECT_CALL(device_, SetAttr(0, 3, PointsTo<uint64_t>(0x0810'0000)))
      .WillOnce(Return(absl::OkStatus()));
  EXPECT_CALL(device_, SetAttr(4, 0, _)).WillOnce(Return(absl::OkStatus()));
  EXPECT_TRUE(gic->Init().ok());
  EXPECT_THAT(gic->description(), HasSubstr("no ITS"));
  EXPECT_EQ(gic->mmio().size(), 2u);
}

TEST_F(Gicv3Test, EachFailureOfInitKeepsErrnoAndStops) {
  const std::pair<uint32_t, uint64_t> steps[] = {{3, 0}, {0, 2}, {0, 5}, {4, 0}};
  for (size_t failing = 0; failing < std::size(steps); ++failing) {
    const std::unique_ptr<Gicv3> gic = Created(1, 2, /*has_its=*/true);
    if (failing >= 2) EXPECT_CALL(device_, HasAttr(0, 5)).WillOnce(Return(absl::OkStatus()));
    for (size_t i = 0; i <= failing; ++i) {
      EXPECT_CALL(device_, SetAttr(steps[i].first, steps[i].second, _))
          .WillOnce(Return(i == failing ? Errno(EBUSY) : absl::OkStatus()));
    }
    const absl::Status status = gic->Init();
    EXPECT_EQ(GetErrno(status), EBUSY) << failing;
    EXPECT_THAT(status.message(), HasSubstr("GICv3"));
  }
}

TEST_F(Gicv3Test, AnotherAnswerAboutRegionsIsAnError) {
  const std::unique_ptr<Gicv3> gic = Created(1, 2, /*has_its=*/true);
  EXPECT_CALL(device_, SetAttr).WillRepeatedly(Return(absl::OkStatus()));
  EXPECT_CALL(device_, HasAttr(0, 5)).WillOnce(Return(Errno(EIO)));
  EXPECT_EQ(GetErrno(gic->Init()), EIO);
}

TEST_F(Gicv3Test, EachFailureOfTheItsKeepsErrno) {
  EXPECT_CALL(device_, HasAttr).WillRepeatedly(Return(absl::OkStatus()));
  EXPECT_CALL(device_, SetAttr).WillRepeatedly(Return(absl::OkStatus()));
  {
    const std::unique_ptr<Gicv3> gic = Created(1, 1, /*has_its=*/true);
    EXPECT_CALL(vm_, CreateDevice(8, false)).WillOnce(Return(Errno(ENOMEM)));
    EXPECT_EQ(GetErrno(gic->Init()), ENOMEM);
  }
  {
    const std::unique_ptr<Gicv3> gic = Created(1, 1, /*has_its=*/true);
    EXPECT_CALL(vm_, CreateDevice(8, false)).WillOnce(Return(&its_));
    EXPECT_CALL(its_, SetAttr(0, 4, _)).WillOnce(Return(Errno(E2BIG)));
    EXPECT_EQ(GetErrno(gic->Init()), E2BIG);
  }
  {
    const std::unique_ptr<Gicv3> gic = Created(1, 1, /*has_its=*/true);
    EXPECT_CALL(vm_, CreateDevice(8, false)).WillOnce(Return(&its_));
    EXPECT_CALL(its_, SetAttr(0, 4, _)).WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(its_, SetAttr(4, 0, _)).WillOnce(Return(Errno(EBUSY)));
    const absl::Status status = gic->Init();
    EXPECT_EQ(GetErrno(status), EBUSY);
    EXPECT_THAT(status.message(), HasSubstr("ITS"));
  }
}

TEST_F(Gicv3Test, NoGicv3OnTheHostHasTwoPossibleCauses) {
  EXPECT_CALL(vm_, CreateDevice(7, true)).WillOnce(Return(Errno(ENODEV)));
  const auto gic = Gicv3::Create(vm_, {.spis = 1, .vcpu_ids = {0}});
  EXPECT_TRUE(absl::IsFailedPrecondition(gic.status())) << gic.status();
  EXPECT_THAT(gic.status().message(), AllOf(HasSubstr("the machine has none"),
                                            HasSubstr("its kernel"), HasSubstr("--gic=auto")));
}

TEST_F(Gicv3Test, OtherErrorsOfTheProbesAreNotTakenForAbsence) {
  EXPECT_CALL(vm_, CreateDevice(7, true)).WillOnce(Return(Errno(EIO)));
  EXPECT_EQ(GetErrno(Gicv3::Create(vm_, {.spis = 1, .vcpu_ids = {0}}).status()), EIO);

  EXPECT_CALL(vm_, CreateDevice(7, true)).WillOnce(Return(nullptr));
  EXPECT_CALL(vm_, CreateDevice(7, false)).WillOnce(Return(&device_));
  EXPECT_CALL(vm_, CreateDevice(8, true)).WillOnce(Return(Errno(EMFILE)));
  EXPECT_EQ(GetErrno(Gicv3::Create(vm_, {.spis = 1, .vcpu_ids = {0}}).status()), EMFILE);
}

TEST_F(Gicv3Test, TooManySpisOrVcpus) {
  EXPECT_TRUE(absl::IsInvalidArgument(Gicv3::Create(vm_, {.spis = 961, .vcpu_ids = {0}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Gicv3::Create(vm_, {.spis = 1, .vcpu_ids = {}}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Gicv3::Create(vm_, {.spis = 1, .vcpu_ids = Ids(513)}).status()));
}

TEST_F(Gicv3Test, Numbers) {
  const std::unique_ptr<Gicv3> gic = Created(3, 2, /*has_its=*/true);
  EXPECT_EQ(gic->name(), "GICv3");
  EXPECT_EQ(gic->SpiIrqLine(5), 0x0100'0000u | 37);
  EXPECT_EQ(gic->PpiAttribute(23), 23u);
  EXPECT_THAT(gic->mmio(), ElementsAre(*GuestRange::Create(GuestAddress(0x0800'0000), 0x1'0000),
                                       *GuestRange::Create(GuestAddress(0x0802'0000), 0x2'0000),
                                       *GuestRange::Create(GuestAddress(0x0810'0000), 0x4'0000)));
  for (const GuestRange& range : gic->mmio()) {
    EXPECT_TRUE(kInterruptControllerRegion.Contains(range.base(), range.size()));
  }
}

std::vector<std::byte> Tree(size_t vcpus, bool has_its) {
  const Gicv3Fdt gic(has_its);
  const std::vector<uint32_t> ids = Ids(vcpus);
  FdtBuilder fdt(kMaximumFdtSize);
  {
    FdtBuilder::Node root = fdt.Begin("");
    fdt.U32("#address-cells", 2);
    fdt.U32("#size-cells", 2);
    fdt.U32("interrupt-parent", kInterruptControllerPhandle);
    AddCpuNodes(fdt, ids);
    AddTimerNode(fdt, gic);
    AddPmuNode(fdt, gic);
    gic.AddNodes(fdt, ids);
  }
  auto blob = fdt.Finish();
  EXPECT_TRUE(blob.ok()) << blob.status();
  return *std::move(blob);
}

TEST(Gicv3FdtTest, DtcHasNoComplaint) {
  EXPECT_EQ(DtcComplaints(Tree(1, false)), "");
  EXPECT_EQ(DtcComplaints(Tree(4, true)), "");
  EXPECT_EQ(DtcComplaints(Tree(512, true)), "");
}

TEST(Gicv3FdtTest, NodesAndSpecifiers) {
  const auto blob = Tree(4, true);
  const FdtReader fdt(blob);
  constexpr char kGic[] = "/interrupt-controller@8000000";
  constexpr char kIts[] = "/interrupt-controller@8000000/msi-controller@8020000";
  EXPECT_EQ(fdt.String(kGic, "compatible"), "arm,gic-v3");
  EXPECT_THAT(fdt.Cells(kGic, "reg"), Optional(ElementsAre(0, 0x0800'0000, 0, 0x1'0000,  //
                                                           0, 0x0810'0000, 0, 0x8'0000)));
  EXPECT_EQ(fdt.String(kIts, "compatible"), "arm,gic-v3-its");
  EXPECT_THAT(fdt.Cells(kIts, "#msi-cells"), Optional(ElementsAre(1)));
  // PPIs 29, 30, 27 and 26 of the timers, 23 of the PMU; level, high.
  EXPECT_THAT(fdt.Cells("/timer", "interrupts"),
              Optional(ElementsAre(1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4)));
  EXPECT_THAT(fdt.Cells("/pmu", "interrupts"), Optional(ElementsAre(1, 7, 4)));
  EXPECT_EQ(Gicv3Fdt(false).Spi(5, InterruptTrigger::kEdgeRising), (InterruptCells{0, 5, 1}));

  const auto without = Tree(1, false);
  EXPECT_EQ(FdtReader(without).String(kIts, "compatible"), std::nullopt);
}

}  // namespace
}  // namespace firn
