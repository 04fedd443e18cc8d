// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/config_to_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vmm/config/config_json.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

TEST(ConfigToJsonTest, DefaultsHaveFirecrackersKeys) {
  VmConfig config;
  config.boot_source.kernel_image_path = "Image";
  EXPECT_EQ(ConfigToJson(config),
            R"({"boot-source":{"kernel_image_path":"Image"},)"
            R"("machine-config":{"vcpu_count":1,"mem_size_mib":256,"smt":false,)"
            R"("track_dirty_pages":false,"huge_pages":"None"},)"
            R"("drives":[],"console":{"output":"stdio","device":"serial"},)"
            R"("hypervisor":"auto","gic":"auto","on-reboot":"restart"})");
  EXPECT_EQ(MachineConfigToJson(config.machine),
            R"({"vcpu_count":1,"mem_size_mib":256,"smt":false,)"
            R"("track_dirty_pages":false,"huge_pages":"None"})");
}

// Every key with a value that is not its default, and every word once.
TEST(ConfigToJsonTest, IsWhatParseConfigReads) {
  VmConfig config;
  config.boot_source = {
      .kernel_image_path = "a \"b\" ü", .initrd_path = "initrd", .boot_args = "quiet"};
  config.machine = {.vcpu_count = 3, .memory_bytes = 512 * kMiB, .track_dirty_pages = true};
  config.drives = {
      {.drive_id = "root", .path_on_host = "root.img", .is_root_device = true, .partuuid = "1234"},
      {.drive_id = "data", .path_on_host = "data.img", .is_read_only = true}};
  config.console = {.output = ConsoleConfig::Output::kFile,
                    .path = "log",
                    .device = ConsoleConfig::Device::kVirtio};
  config.on_reboot = OnReboot::kExit;
  config.software.seed = 7;
  config.software.stop_at = 9;
  for (const auto hypervisor :
       {HypervisorChoice::kAuto, HypervisorChoice::kKvm, HypervisorChoice::kSoftware}) {
    for (const auto gic : {GicChoice::kAuto, GicChoice::kV5, GicChoice::kV3}) {
      for (const auto dialect :
           {SoftwareConfig::Dialect::kPpiOnly, SoftwareConfig::Dialect::kSeriesV1,
            SoftwareConfig::Dialect::kSeriesV2, SoftwareConfig::Dialect::kMerged}) {
        for (const auto clock : {SoftwareConfig::Clock::kVirtual, SoftwareConfig::Clock::kReal}) {
          config.hypervisor = hypervisor;
          config.gic = gic;
          config.software.dialect = dialect;
          config.software.clock = clock;
          const std::string text = ConfigToJson(config);
          const absl::StatusOr<VmConfig> read = ParseConfig(text);
          ASSERT_TRUE(read.ok()) << text << read.status();
          EXPECT_EQ(ConfigToJson(*read), text);
          EXPECT_EQ(read->boot_source.kernel_image_path, config.boot_source.kernel_image_path);
          EXPECT_EQ(read->machine.vcpu_count, 3u);
          EXPECT_EQ(read->machine.memory_bytes, 512 * kMiB);
          EXPECT_EQ(read->drives.at(1).is_read_only, true);
          EXPECT_EQ(read->console.path, "log");
          EXPECT_EQ(read->on_reboot, OnReboot::kExit);
          EXPECT_EQ(read->hypervisor, hypervisor);
          EXPECT_EQ(read->gic, gic);
          EXPECT_EQ(read->software.dialect, dialect);
          EXPECT_EQ(read->software.clock, clock);
        }
      }
    }
  }
}

TEST(ConfigToJsonTest, PathsMayBeAnyBytes) {
  VmConfig config;
  config.boot_source.kernel_image_path = "a\xff";
  EXPECT_THAT(ConfigToJson(config), HasSubstr("\"a\xef\xbf\xbd\""));
}

}  // namespace
}  // namespace firn
