// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/fdt.h"

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

FdtConfig FullConfig() {
  FdtConfig config;
  config.command_line = *CommandLine::Create("console=ttyS0 root=/dev/vda");
  config.initrd = *GuestRange::Create(GuestAddress(0x4f00'0000), 12345);
  config.rng_seed.emplace().fill(std::byte{0xab});
  config.kaslr_seed = 0x0123456789abcdef;
  config.vcpu_ids = {0, 1};
  config.devices = {SerialFdtDevice(0), RtcFdtDevice(1), PvpanicFdtDevice(),
                    VirtioMmioFdtDevice(*VirtioMmioSlot(0), 2),
                    VirtioMmioFdtDevice(*VirtioMmioSlot(1), 3)};
  return config;
}

std::vector<std::byte> Build(const FdtConfig& config, uint64_t memory = 256 * kMiB) {
  const Gicv5Fdt gic(kInterruptControllerRegion.base());
  auto blob = BuildFdt(config, *MemoryLayout::Create(memory), gic);
  EXPECT_TRUE(blob.ok()) << blob.status();
  return *std::move(blob);
}

TEST(FdtTest, DtcHasNoComplaint) {
  EXPECT_EQ(DtcComplaints(Build(FullConfig())), "");
  EXPECT_EQ(DtcComplaints(Build(FullConfig(), 300 * kGiB)), "");
  FdtConfig bare;
  bare.vcpu_ids = {0};
  EXPECT_EQ(DtcComplaints(Build(bare)), "");
}

TEST(FdtTest, EveryVirtioSlot) {
  FdtConfig config = FullConfig();
  for (uint32_t i = 2; i < kVirtioMmioSlots; ++i) {
    config.devices.push_back(VirtioMmioFdtDevice(*VirtioMmioSlot(i), i + 2));
  }
  const auto blob = Build(config);
  EXPECT_EQ(DtcComplaints(blob), "");
  EXPECT_THAT(FdtReader(blob).Cells("/virtio@1004f000", "interrupts"),
              Optional(ElementsAre(3, 65, 1)));
}

TEST(FdtTest, Chosen) {
  const auto blob = Build(FullConfig());
  const FdtReader fdt(blob);
  EXPECT_EQ(fdt.String("/chosen", "bootargs"), "console=ttyS0 root=/dev/vda");
  EXPECT_THAT(fdt.Cells("/chosen", "linux,initrd-start"), Optional(ElementsAre(0, 0x4f00'0000)));
  EXPECT_THAT(fdt.Cells("/chosen", "linux,initrd-end"),
              Optional(ElementsAre(0, 0x4f00'0000 + 12345)));
  EXPECT_EQ(fdt.Bytes("/chosen", "rng-seed"), std::string(64, '\xab'));
  EXPECT_EQ(fdt.Bytes("/chosen", "kaslr-seed"), "\x01\x23\x45\x67\x89\xab\xcd\xef");
  const auto console = fdt.String("/chosen", "stdout-path");
  ASSERT_TRUE(console);
  EXPECT_TRUE(fdt.HasNode(*console));
}

TEST(FdtTest, WhatIsNotGivenIsLeftOut) {
  FdtConfig config;
  config.vcpu_ids = {0};
  const auto blob = Build(config);
  const FdtReader fdt(blob);
  EXPECT_EQ(fdt.String("/chosen", "bootargs"), "");
  for (const char* property :
       {"linux,initrd-start", "linux,initrd-end", "rng-seed", "kaslr-seed", "stdout-path"}) {
    EXPECT_FALSE(fdt.Bytes("/chosen", property)) << property;
  }
}

TEST(FdtTest, AllMemoryIsDescribed) {
  EXPECT_THAT(FdtReader(Build(FullConfig())).Cells("/memory@40000000", "reg"),
              Optional(ElementsAre(0, 0x4000'0000, 0, 0x1000'0000)));
  // 300 GiB: 255 below the hole, 45 above.
  EXPECT_THAT(FdtReader(Build(FullConfig(), 300 * kGiB)).Cells("/memory@40000000", "reg"),
              Optional(ElementsAre(0, 0x4000'0000, 0x3f, 0xc000'0000, 0x80, 0, 0xb, 0x4000'0000)));
}

TEST(FdtTest, Devices) {
  const auto blob = Build(FullConfig());
  const FdtReader fdt(blob);
  const std::string serial = "/serial@10000000";
  EXPECT_EQ(fdt.String(serial, "compatible"), "ns16550a");
  EXPECT_THAT(fdt.Cells(serial, "interrupts"), Optional(ElementsAre(3, 0, 1)));
  EXPECT_THAT(fdt.Cells(serial, "reg-shift"), Optional(ElementsAre(0)));
  EXPECT_THAT(fdt.Cells(serial, "reg-io-width"), Optional(ElementsAre(1)));
  EXPECT_TRUE(fdt.Cells(serial, "clock-frequency"));

  const std::string rtc = "/rtc@10001000";
  EXPECT_EQ(fdt.String(rtc, "compatible"), std::string("arm,pl031\0arm,primecell", 23));
  EXPECT_EQ(fdt.String(rtc, "clock-names"), "apb_pclk");
  EXPECT_EQ(fdt.Cells(rtc, "clocks"), fdt.Cells("/apb-pclk", "phandle"));
  EXPECT_THAT(fdt.Cells(rtc, "interrupts"), Optional(ElementsAre(3, 1, 1)));

  EXPECT_FALSE(fdt.Bytes("/pvpanic@10002000", "interrupts"));

  const std::string virtio = "/virtio@10011000";
  EXPECT_EQ(fdt.String(virtio, "compatible"), "virtio,mmio");
  EXPECT_EQ(fdt.Bytes(virtio, "dma-coherent"), "");
  EXPECT_THAT(fdt.Cells(virtio, "reg"), Optional(ElementsAre(0, 0x1001'1000, 0, 0x1000)));
  EXPECT_THAT(fdt.Cells(virtio, "interrupts"), Optional(ElementsAre(3, 3, 1)));
}

TEST(FdtTest, DevicesWithPagesInsteadOfRegisters) {
  FdtConfig config = FullConfig();
  config.devices = {VmGenIdFdtDevice(7), VmClockFdtDevice(8)};
  const auto blob = Build(config);
  const FdtReader fdt(blob);
  EXPECT_EQ(fdt.String("/rng@10060000", "compatible"), "microsoft,vmgenid");
  EXPECT_THAT(fdt.Cells("/rng@10060000", "reg"),
              Optional(ElementsAre(0, 0x1006'0000, 0, 0x1'0000)));
  EXPECT_THAT(fdt.Cells("/rng@10060000", "interrupts"), Optional(ElementsAre(3, 7, 1)));
  EXPECT_EQ(fdt.String("/ptp@10070000", "compatible"), "amazon,vmclock");
  EXPECT_THAT(fdt.Cells("/ptp@10070000", "reg"),
              Optional(ElementsAre(0, 0x1007'0000, 0, 0x1'0000)));
  EXPECT_THAT(fdt.Cells("/ptp@10070000", "interrupts"), Optional(ElementsAre(3, 8, 1)));
}

TEST(FdtTest, InterruptParentIsTheController) {
  const auto blob = Build(FullConfig());
  const FdtReader fdt(blob);
  EXPECT_EQ(fdt.Cells("/", "interrupt-parent"), fdt.Cells("/interrupt-controller", "phandle"));
}

TEST(FdtTest, SameConfigurationSameBytes) { EXPECT_EQ(Build(FullConfig()), Build(FullConfig())); }

TEST(FdtTest, TooLarge) {
  FdtConfig config = FullConfig();
  for (uint32_t i = 0; i < 20000; ++i) {
    config.devices.push_back(VirtioMmioFdtDevice(
        *GuestRange::Create(GuestAddress(0x1100'0000 + i * kMmioSlotSize), kMmioSlotSize), i));
  }
  const Gicv5Fdt gic(kInterruptControllerRegion.base());
  const auto blob = BuildFdt(config, *MemoryLayout::Create(256 * kMiB), gic);
  EXPECT_TRUE(absl::IsResourceExhausted(blob.status())) << blob.status();
}

}  // namespace
}  // namespace firn
