// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace firn {
namespace {

using ::testing::HasSubstr;

VmConfig Valid() {
  VmConfig config;
  config.boot_source.kernel_image_path = "Image";
  return config;
}

TEST(ConfigTest, DefaultsWithAKernelAreValid) { EXPECT_TRUE(Validate(Valid()).ok()); }

TEST(ConfigTest, KernelIsNeededUnlessTold) {
  const absl::Status status = Validate(VmConfig());
  EXPECT_THAT(status.message(), HasSubstr("--kernel"));
  EXPECT_TRUE(Validate(VmConfig(), /*needs_kernel=*/false).ok());
}

struct MemoryCase {
  uint64_t bytes;
  std::string error;  // "" for valid
};
class MemoryTest : public ::testing::TestWithParam<MemoryCase> {};

TEST_P(MemoryTest, IsChecked) {
  VmConfig config = Valid();
  config.machine.memory_bytes = GetParam().bytes;
  const absl::Status status = Validate(config);
  if (GetParam().error.empty()) {
    EXPECT_TRUE(status.ok()) << status;
  } else {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(GetParam().error));
  }
}

INSTANTIATE_TEST_SUITE_P(All, MemoryTest,
                         ::testing::Values(MemoryCase{0, "memory"}, MemoryCase{kMiB, "16 MiB"},
                                           MemoryCase{64 * kMiB + 4096, "MiB"},
                                           MemoryCase{64 * kMiB + 1, "MiB"},
                                           MemoryCase{16 * kMiB, ""}, MemoryCase{65 * kMiB, ""},
                                           MemoryCase{512 * kGiB, ""},
                                           MemoryCase{1024 * kGiB, "address"},
                                           MemoryCase{~uint64_t{0}, "MiB"}));

TEST(ConfigTest, VcpuCountHasBounds) {
  VmConfig config = Valid();
  config.machine.vcpu_count = 0;
  EXPECT_THAT(Validate(config).message(), HasSubstr("0 vCPUs"));
  config.machine.vcpu_count = 513;
  EXPECT_THAT(Validate(config).message(), HasSubstr("513 vCPUs"));
  config.machine.vcpu_count = 8;
  EXPECT_TRUE(Validate(config).ok());
}

TEST(ConfigTest, DrivesAreChecked) {
  VmConfig config = Valid();
  config.drives = {{.drive_id = "a", .path_on_host = "x"}, {.drive_id = "a", .path_on_host = "y"}};
  EXPECT_THAT(Validate(config).message(), HasSubstr("two drives have the drive_id `a`"));
  config.drives = {{.drive_id = "a", .path_on_host = ""}};
  EXPECT_THAT(Validate(config).message(), HasSubstr("empty path"));
  config.drives = {{.drive_id = "", .path_on_host = "x"}};
  EXPECT_THAT(Validate(config).message(), HasSubstr("empty drive_id"));
  config.drives = {{.drive_id = "a", .path_on_host = "x", .is_root_device = true},
                   {.drive_id = "b", .path_on_host = "y", .is_root_device = true}};
  EXPECT_THAT(Validate(config).message(), HasSubstr("second root device"));
  config.drives = {{.drive_id = "a", .path_on_host = "x", .partuuid = "1"}};
  EXPECT_THAT(Validate(config).message(), HasSubstr("partuuid"));
}

TEST(ConfigTest, BootArgsHaveADefault) {
  VmConfig config = Valid();
  EXPECT_EQ(BootArgs(config), "console=ttyS0 earlycon panic=-1");
  config.console.device = ConsoleConfig::Device::kVirtio;
  EXPECT_EQ(BootArgs(config), "console=hvc0 earlycon panic=-1");
  config.boot_source.boot_args = "quiet";
  EXPECT_EQ(BootArgs(config), "quiet");
  config.boot_source.boot_args = "";
  EXPECT_EQ(BootArgs(config), "");
}

TEST(ConfigTest, RootDriveIsAppended) {
  VmConfig config = Valid();
  config.boot_source.boot_args = "quiet";
  config.drives = {{.drive_id = "data", .path_on_host = "x"},
                   {.drive_id = "root", .path_on_host = "y", .is_root_device = true}};
  EXPECT_EQ(BootArgs(config), "quiet root=/dev/vdb rw");
  config.drives[1].is_read_only = true;
  EXPECT_EQ(BootArgs(config), "quiet root=/dev/vdb ro");
  config.drives[1].partuuid = "0eaa91a0-01";
  EXPECT_EQ(BootArgs(config), "quiet root=PARTUUID=0eaa91a0-01 ro");
}

TEST(ConfigTest, RootDriveLettersGoOnAfterZ) {
  VmConfig config = Valid();
  config.boot_source.boot_args = "";
  for (int i = 0; i < 28; ++i) {
    config.drives.push_back({.drive_id = std::to_string(i), .path_on_host = "x"});
  }
  config.drives[25].is_root_device = true;
  EXPECT_EQ(BootArgs(config), "root=/dev/vdz rw");
  config.drives[25].is_root_device = false;
  config.drives[27].is_root_device = true;
  EXPECT_EQ(BootArgs(config), "root=/dev/vdab rw");
}

TEST(ParseSizeTest, TakesUnits) {
  EXPECT_EQ(*ParseSize("256"), 256 * kMiB);
  EXPECT_EQ(*ParseSize("256M"), 256 * kMiB);
  EXPECT_EQ(*ParseSize("256m"), 256 * kMiB);
  EXPECT_EQ(*ParseSize("256MiB"), 256 * kMiB);
  EXPECT_EQ(*ParseSize("1G"), 1024 * kMiB);
  EXPECT_EQ(*ParseSize("4096K"), 4 * kMiB);
  EXPECT_EQ(*ParseSize("1T"), uint64_t{1} << 40);
  EXPECT_EQ(*ParseSize("0"), 0u);
}

TEST(ParseSizeTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "M", "-1", "1.5G", "1 G", " 1G", "1X", "0x10", "1GM", "+1"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
  for (const char* text : {"99999999999999999999", "18446744073709551615", "20000000T"}) {
    EXPECT_THAT(ParseSize(text).status().message(), HasSubstr("does not fit")) << text;
  }
}

TEST(ParseNumberTest, TakesDecimalAndHex) {
  EXPECT_EQ(*ParseNumber("0"), 0u);
  EXPECT_EQ(*ParseNumber("18446744073709551615"), ~uint64_t{0});
  EXPECT_EQ(*ParseNumber("0xffffffffffffffff"), ~uint64_t{0});
  for (const char* text : {"", "0x", "four", "-1", "+1", " 1", "1 ", "1_000", "1e9", "0xg"}) {
    EXPECT_THAT(ParseNumber(text).status().message(), HasSubstr("is not a number")) << text;
  }
  EXPECT_FALSE(ParseNumber("18446744073709551616").ok());
  EXPECT_FALSE(ParseNumber("0x10000000000000000").ok());
}

TEST(ParseWordTest, ErrorsListTheWords) {
  EXPECT_EQ(*ParseHypervisor("software"), HypervisorChoice::kSoftware);
  EXPECT_THAT(ParseHypervisor("xen").status().message(),
              HasSubstr("`xen` is not one of auto, kvm, software"));
  EXPECT_EQ(*ParseGic("v3"), GicChoice::kV3);
  EXPECT_FALSE(ParseGic("5").ok());
  EXPECT_EQ(*ParseOnReboot("exit"), OnReboot::kExit);
  EXPECT_EQ(*ParseClock("real"), SoftwareConfig::Clock::kReal);
  EXPECT_EQ(*ParseDialect("b1"), SoftwareConfig::Dialect::kSeriesV1);
  EXPECT_EQ(*ParseConsoleDevice("virtio"), ConsoleConfig::Device::kVirtio);
  EXPECT_FALSE(ParseConsoleDevice("").ok());
}

TEST(ParseWordTest, ConsoleOutputIsAWordOrAPath) {
  ConsoleConfig console;
  EXPECT_TRUE(SetConsoleOutput("off", console).ok());
  EXPECT_EQ(console.output, ConsoleConfig::Output::kOff);
  EXPECT_TRUE(SetConsoleOutput("./stdio", console).ok());
  EXPECT_EQ(console.output, ConsoleConfig::Output::kFile);
  EXPECT_EQ(console.path, "./stdio");
  EXPECT_TRUE(SetConsoleOutput("stdio", console).ok());
  EXPECT_EQ(console.path, "");
  EXPECT_FALSE(SetConsoleOutput("", console).ok());
}

}  // namespace
}  // namespace firn
