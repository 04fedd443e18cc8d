// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/fdt_nodes.h"

#include <string>
#include <vector>

#include "arch-aarch64/fdt_reader.h"
#include "arch-aarch64/gicv5_fdt.h"
#include "arch-aarch64/memory_layout.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

std::vector<std::byte> Build(absl::Span<const uint32_t> vcpu_ids) {
  const Gicv5Fdt gic(GuestAddress(0x0800'0000));
  FdtBuilder fdt(kMaximumFdtSize);
  {
    FdtBuilder::Node root = fdt.Begin("");
    fdt.U32("#address-cells", 2);
    fdt.U32("#size-cells", 2);
    fdt.U32("interrupt-parent", kInterruptControllerPhandle);
    AddCpuNodes(fdt, vcpu_ids);
    AddPsciNode(fdt);
    AddTimerNode(fdt, gic);
    gic.AddNodes(fdt, vcpu_ids);
  }
  auto blob = fdt.Finish();
  EXPECT_TRUE(blob.ok()) << blob.status();
  return *std::move(blob);
}

TEST(FdtNodesTest, DtcHasNoComplaint) {
  EXPECT_EQ(DtcComplaints(Build({0})), "");
  EXPECT_EQ(DtcComplaints(Build({0, 1, 2, 3})), "");
  EXPECT_EQ(DtcComplaints(Build({3, 17})), "");
}

TEST(FdtNodesTest, DtcComplaintsAreSeen) {
  FdtBuilder fdt(kMaximumFdtSize);
  {
    FdtBuilder::Node root = fdt.Begin("");
    FdtBuilder::Node node = fdt.Begin("node", 1);  // a unit address without reg
  }
  EXPECT_NE(DtcComplaints(*fdt.Finish()), "");
}

TEST(FdtNodesTest, CpusCarryTheMpidrOfTheirVcpuId) {
  const auto blob = Build({0, 1, 17});
  const FdtReader fdt(blob);
  EXPECT_THAT(fdt.Cells("/cpus/cpu@0", "reg"), Optional(ElementsAre(0)));
  EXPECT_THAT(fdt.Cells("/cpus/cpu@1", "reg"), Optional(ElementsAre(1)));
  // vCPU 17: Aff1 = 1, Aff0 = 1.
  EXPECT_THAT(fdt.Cells("/cpus/cpu@101", "reg"), Optional(ElementsAre(0x101)));
  EXPECT_EQ(fdt.String("/cpus/cpu@101", "enable-method"), "psci");
  EXPECT_EQ(fdt.String("/cpus/cpu@101", "device_type"), "cpu");
  EXPECT_THAT(fdt.Cells("/cpus", "#address-cells"), Optional(ElementsAre(1)));
  EXPECT_THAT(fdt.Cells("/cpus", "#size-cells"), Optional(ElementsAre(0)));
}

TEST(FdtNodesTest, PsciByHvc) {
  const auto blob = Build({0});
  EXPECT_EQ(FdtReader(blob).String("/psci", "compatible"),
            std::string("arm,psci-1.0\0arm,psci-0.2", 25));
  EXPECT_EQ(FdtReader(blob).String("/psci", "method"), "hvc");
}

TEST(FdtNodesTest, TimerPpisAreRawNumbersWithGicv5) {
  const auto blob = Build({0});
  EXPECT_THAT(FdtReader(blob).Cells("/timer", "interrupts"),
              Optional(ElementsAre(1, 29, 4, 1, 30, 4, 1, 27, 4, 1, 26, 4)));
}

TEST(Gicv5FdtTest, Specifiers) {
  const Gicv5Fdt gic(GuestAddress(0x0800'0000));
  EXPECT_THAT(gic.Ppi(27, InterruptTrigger::kLevelHigh), ElementsAre(1, 27, 4));
  EXPECT_THAT(gic.Spi(0, InterruptTrigger::kEdgeRising), ElementsAre(3, 0, 1));
  EXPECT_THAT(gic.Spi(1023, InterruptTrigger::kLevelHigh), ElementsAre(3, 1023, 4));
}

TEST(Gicv5FdtTest, NodesFollowTheBinding) {
  const auto blob = Build({0, 1, 17});
  const FdtReader fdt(blob);
  EXPECT_EQ(fdt.String("/interrupt-controller", "compatible"), "arm,gic-v5");
  EXPECT_THAT(fdt.Cells("/interrupt-controller", "#interrupt-cells"), Optional(ElementsAre(3)));
  EXPECT_EQ(fdt.Bytes("/interrupt-controller", "interrupt-controller"), "");
  EXPECT_EQ(fdt.Bytes("/interrupt-controller", "ranges"), "");
  const std::string irs = "/interrupt-controller/irs@8000000";
  EXPECT_EQ(fdt.String(irs, "compatible"), "arm,gic-v5-irs");
  EXPECT_EQ(fdt.String(irs, "reg-names"), "ns-config");
  EXPECT_THAT(fdt.Cells(irs, "reg"), Optional(ElementsAre(0, 0x0800'0000, 0, 0x1'0000)));
  EXPECT_EQ(fdt.Bytes(irs, "arm,iaffids"), std::string("\0\x00\0\x01\0\x11", 6));
  const auto cpus = fdt.Cells(irs, "cpus");
  ASSERT_TRUE(cpus && cpus->size() == 3);
  EXPECT_THAT(fdt.Cells("/cpus/cpu@0", "phandle"), Optional(ElementsAre((*cpus)[0])));
  EXPECT_THAT(fdt.Cells("/cpus/cpu@1", "phandle"), Optional(ElementsAre((*cpus)[1])));
  EXPECT_THAT(fdt.Cells("/cpus/cpu@101", "phandle"), Optional(ElementsAre((*cpus)[2])));
}

TEST(Gicv5FdtTest, FiveHundredAndTwelveCpusFit) {
  std::vector<uint32_t> ids;
  for (uint32_t id = 0; id < 512; ++id) ids.push_back(id);
  EXPECT_EQ(DtcComplaints(Build(ids)), "");
}

}  // namespace
}  // namespace firn
