// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/device_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/memory_layout.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = PlannedDevice::Kind;

VmConfig WithDrives(size_t count) {
  VmConfig config;
  for (size_t i = 0; i < count; ++i) {
    config.drives.push_back({.drive_id = absl::StrCat("d", i), .path_on_host = "/no/such/file"});
  }
  return config;
}

std::vector<std::string> Names(const DevicePlan& plan) {
  std::vector<std::string> names;
  for (const PlannedDevice& device : plan.devices) names.push_back(device.name);
  return names;
}

TEST(DevicePlanTest, PlatformDevicesThenDrivesInTheirOrderThenTheRest) {
  const absl::StatusOr<DevicePlan> plan = PlanDevices(WithDrives(2));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Names(*plan), ElementsAre("serial", "rtc", "pvpanic", "blk.d0", "blk.d1", "rng",
                                        "console", "vmgenid", "vmclock"));
  EXPECT_EQ(plan->devices[3].kind, Kind::kBlock);
  EXPECT_EQ(plan->devices[3].drive, 0u);
  EXPECT_EQ(plan->devices[4].drive, 1u);
  EXPECT_EQ(plan->devices[0].registers, kSerialRange);
  EXPECT_EQ(plan->devices[3].registers, *VirtioMmioSlot(0));
  EXPECT_EQ(plan->devices[6].registers, *VirtioMmioSlot(3));
}

TEST(DevicePlanTest, InterruptsAreSharedByNobodyAndLeaveNoGap) {
  const absl::StatusOr<DevicePlan> plan = PlanDevices(WithDrives(3));
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::set<uint32_t> spis;
  for (const PlannedDevice& device : plan->devices) {
    EXPECT_EQ(device.spi.has_value(), device.kind != Kind::kPvpanic) << device.name;
    if (device.spi && !spis.insert(*device.spi).second) ADD_FAILURE() << device.name;
  }
  EXPECT_EQ(spis.size(), plan->spis);
  EXPECT_EQ(*spis.rbegin(), plan->spis - 1);
}

TEST(DevicePlanTest, TheSameConfigurationGivesTheSameMachine) {
  const DevicePlan first = *PlanDevices(WithDrives(5)), second = *PlanDevices(WithDrives(5));
  ASSERT_EQ(first.devices.size(), second.devices.size());
  for (size_t i = 0; i < first.devices.size(); ++i) {
    EXPECT_EQ(first.devices[i].name, second.devices[i].name);
    EXPECT_EQ(first.devices[i].registers, second.devices[i].registers);
    EXPECT_EQ(first.devices[i].spi, second.devices[i].spi);
  }
}

TEST(DevicePlanTest, DrivesFillTheSlotsAndNoMore) {
  constexpr size_t kMost = kVirtioMmioSlots - 2;  // rng and console
  EXPECT_TRUE(PlanDevices(WithDrives(kMost)).ok());
  const absl::StatusOr<DevicePlan> plan = PlanDevices(WithDrives(kMost + 1));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted) << plan.status();
}

TEST(DescribeMachineTest, TellsVcpusCommandLineAndEveryDevice) {
  VmConfig config = WithDrives(1);
  config.machine.vcpu_count = 3;
  config.boot_source.boot_args = "console=ttyS0 quiet";
  const DevicePlan plan = *PlanDevices(config);
  const absl::StatusOr<FdtConfig> fdt = DescribeMachine(config, plan);
  ASSERT_TRUE(fdt.ok()) << fdt.status();
  EXPECT_THAT(fdt->vcpu_ids, ElementsAre(0, 1, 2));
  EXPECT_EQ(fdt->command_line.text(), "console=ttyS0 quiet");
  EXPECT_FALSE(fdt->rng_seed);
  EXPECT_FALSE(fdt->kaslr_seed);
  ASSERT_EQ(fdt->devices.size(), plan.devices.size());
  for (size_t i = 0; i < plan.devices.size(); ++i) {
    EXPECT_EQ(fdt->devices[i].registers, plan.devices[i].registers);
    EXPECT_EQ(fdt->devices[i].spi, plan.devices[i].spi);
  }
}

TEST(DescribeMachineTest, ACommandLineThatNoKernelTakesIsAnError) {
  for (const std::string& args : {std::string("a\0b", 3), std::string(10'000, 'x')}) {
    VmConfig config;
    config.boot_source.boot_args = args;
    const absl::StatusOr<FdtConfig> fdt = DescribeMachine(config, *PlanDevices(config));
    EXPECT_EQ(fdt.status().code(), absl::StatusCode::kInvalidArgument) << fdt.status();
    EXPECT_THAT(fdt.status().message(), HasSubstr("command line"));
  }
}

}  // namespace
}  // namespace firn
