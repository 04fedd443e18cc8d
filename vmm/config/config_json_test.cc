// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

TEST(ConfigJsonTest, ReadsFirecrackersKeys) {
  const auto config = ParseConfig(R"({
    "boot-source": {"kernel_image_path": "Image", "boot_args": "quiet", "initrd_path": null},
    "drives": [
      {"drive_id": "rootfs", "path_on_host": "root.ext4", "is_root_device": true,
       "is_read_only": false, "cache_type": "Unsafe", "io_engine": "Sync", "partuuid": null,
       "rate_limiter": null, "socket": null},
      {"drive_id": "data", "path_on_host": "data.img", "is_root_device": false,
       "is_read_only": true, "cache_type": "Writeback"}
    ],
    "machine-config": {"vcpu_count": 2, "mem_size_mib": 512, "smt": false,
                       "track_dirty_pages": true, "huge_pages": "None", "cpu_template": null},
    "cpu-config": null, "balloon": null, "network-interfaces": null, "vsock": null,
    "logger": null, "metrics": null, "mmds-config": null, "entropy": {"rate_limiter": null}
  })");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->boot_source.kernel_image_path, "Image");
  EXPECT_EQ(config->boot_source.boot_args, "quiet");
  EXPECT_EQ(config->boot_source.initrd_path, std::nullopt);
  EXPECT_EQ(config->machine.vcpu_count, 2u);
  EXPECT_EQ(config->machine.memory_bytes, 512 * kMiB);
  EXPECT_TRUE(config->machine.track_dirty_pages);
  ASSERT_EQ(config->drives.size(), 2u);
  EXPECT_TRUE(config->drives[0].is_root_device);
  EXPECT_FALSE(config->drives[0].is_read_only);
  EXPECT_EQ(config->drives[1].drive_id, "data");
  EXPECT_EQ(config->drives[1].path_on_host, "data.img");
  EXPECT_TRUE(config->drives[1].is_read_only);
}

TEST(ConfigJsonTest, ReadsItsOwnKeys) {
  const auto config = ParseConfig(R"({
    "hypervisor": "software", "gic": "v5", "on-reboot": "exit", "clock": "real",
    "dialect": "b", "seed": 18446744073709551615, "stop-at": 1000,
    "console": {"output": "log.txt", "device": "virtio"}})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->hypervisor, HypervisorChoice::kSoftware);
  EXPECT_EQ(config->gic, GicChoice::kV5);
  EXPECT_EQ(config->on_reboot, OnReboot::kExit);
  EXPECT_EQ(config->software.clock, SoftwareConfig::Clock::kReal);
  EXPECT_EQ(config->software.dialect, SoftwareConfig::Dialect::kSeriesV2);
  EXPECT_EQ(config->software.seed, ~uint64_t{0});
  EXPECT_EQ(config->software.stop_at, 1000u);
  EXPECT_EQ(config->console.output, ConsoleConfig::Output::kFile);
  EXPECT_EQ(config->console.path, "log.txt");
  EXPECT_EQ(config->console.device, ConsoleConfig::Device::kVirtio);
}

TEST(ConfigJsonTest, SerialNamesTheConsoleFile) {
  const auto config = ParseConfig(R"({"serial": {"serial_out_path": "x"}})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->console.path, "x");
}

TEST(ConfigJsonTest, EmptyObjectIsAllDefaults) {
  const auto config = ParseConfig("{}");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->machine.vcpu_count, 1u);
  EXPECT_TRUE(config->drives.empty());
}

struct ErrorCase {
  const char* name;
  const char* text;
  const char* error;
};
class ConfigJsonErrorTest : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ConfigJsonErrorTest, IsNamed) {
  const auto config = ParseConfig(GetParam().text);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(config.status().message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigJsonErrorTest,
    ::testing::Values(
        ErrorCase{"Empty", "", "not JSON: parse error at line 1, column 1"},
        ErrorCase{"Truncated", "{\n\"gic\":", "line 2"},
        ErrorCase{"TrailingText", "{} x", "not JSON"}, ErrorCase{"TwoValues", "{}{}", "not JSON"},
        ErrorCase{"Comment", "{/* */}", "not JSON"},
        ErrorCase{"BadUtf8", "{\"gic\": \"\xff\"}", "not JSON"},
        ErrorCase{"NumberTooLarge", R"({"seed": 1e999})", "not JSON"},
        ErrorCase{"NotAnObject", "[1]", "the configuration must be an object, got [1]"},
        ErrorCase{"UnknownSection", R"({"machine_config": {}})",
                  "`machine_config` is no key that firn knows; did you mean `machine-config`?"},
        ErrorCase{"UnknownKey", R"({"machine-config": {"vcpu_count": 1, "mem_size_mib": 64,
                                    "vcpu_cont": 1}})",
                  "`machine-config.vcpu_cont` is no key that firn knows; did you mean "
                  "`vcpu_count`?"},
        ErrorCase{"UnknownDriveKey",
                  R"({"drives": [{"drive_id": "a", "path_on_host": "b"},
                                 {"drive_id": "c", "path_on_host": "d", "path": 1}]})",
                  "`drives[1].path` is no key"},
        ErrorCase{"DuplicateKey", R"({"gic": "v5", "gic": "v5"})", "`gic` is there twice"},
        ErrorCase{"DuplicateInner", R"({"drives": [{}, {"drive_id": "a", "drive_id": "b"}]})",
                  "`drives[1].drive_id` is there twice"},
        ErrorCase{"WrongTypeNumber", R"({"machine-config": {"vcpu_count": "2",
                                         "mem_size_mib": 64}})",
                  "`machine-config.vcpu_count` must be a whole number from 0 on, got \"2\""},
        ErrorCase{"NegativeNumber", R"({"machine-config": {"vcpu_count": -1,
                                        "mem_size_mib": 64}})",
                  "`machine-config.vcpu_count` must be a whole number from 0 on, got -1"},
        ErrorCase{"FractionalNumber", R"({"machine-config": {"vcpu_count": 1.5,
                                          "mem_size_mib": 64}})",
                  "got 1.5"},
        ErrorCase{"WrongTypeString", R"({"boot-source": {"kernel_image_path": 1}})",
                  "`boot-source.kernel_image_path` must be a string, got 1"},
        ErrorCase{"WrongTypeBool", R"({"drives": [{"drive_id": "a", "path_on_host": "b",
                                       "is_read_only": "yes"}]})",
                  "`drives[0].is_read_only` must be true or false, got \"yes\""},
        ErrorCase{"WrongTypeObject", R"({"machine-config": []})",
                  "`machine-config` must be an object, got []"},
        ErrorCase{"WrongTypeArray", R"({"drives": {}})", "`drives` must be an array, got {}"},
        ErrorCase{"WrongTypeElement", R"({"drives": [1]})", "`drives[0]` must be an object, got 1"},
        ErrorCase{"NulInString", R"({"boot-source": {"kernel_image_path": "a\u0000b"}})",
                  "holds a NUL"},
        ErrorCase{"MissingKernel", R"({"boot-source": {}})",
                  "`boot-source.kernel_image_path` is missing"},
        ErrorCase{"MissingVcpuCount", R"({"machine-config": {"mem_size_mib": 64}})",
                  "`machine-config.vcpu_count` is missing"},
        ErrorCase{"MissingPath", R"({"drives": [{"drive_id": "a"}]})",
                  "`drives[0].path_on_host` is missing"},
        ErrorCase{"MemoryOverflow", R"({"machine-config": {"vcpu_count": 1,
                                        "mem_size_mib": 18446744073709551615}})",
                  "does not fit"},
        ErrorCase{"Smt", R"({"machine-config": {"vcpu_count": 1, "mem_size_mib": 64,
                             "smt": true}})",
                  "`machine-config.smt` must be false"},
        ErrorCase{"HugePages", R"({"machine-config": {"vcpu_count": 1, "mem_size_mib": 64,
                                   "huge_pages": "2M"}})",
                  "`machine-config.huge_pages` is not supported"},
        ErrorCase{"CpuTemplate", R"({"machine-config": {"vcpu_count": 1, "mem_size_mib": 64,
                                     "cpu_template": "V1N1"}})",
                  "`machine-config.cpu_template` is not supported"},
        ErrorCase{"RateLimiter", R"({"drives": [{"drive_id": "a", "path_on_host": "b",
                                     "rate_limiter": {}}]})",
                  "`drives[0].rate_limiter` is not supported"},
        ErrorCase{"IoEngine", R"({"drives": [{"drive_id": "a", "path_on_host": "b",
                                  "io_engine": "Async"}]})",
                  "`drives[0].io_engine` is not supported"},
        ErrorCase{"CacheType", R"({"drives": [{"drive_id": "a", "path_on_host": "b",
                                   "cache_type": "None"}]})",
                  "`drives[0].cache_type` must be"},
        ErrorCase{"Network", R"({"network-interfaces": []})",
                  "`network-interfaces` is not supported"},
        ErrorCase{"Vsock", R"({"vsock": {}})", "`vsock` is not supported"},
        ErrorCase{"Logger", R"({"logger": {}})", "`logger` is not supported"},
        ErrorCase{"Metrics", R"({"metrics": {}})", "`metrics` is not supported"},
        ErrorCase{"BadWord", R"({"hypervisor": "xen"})",
                  "`hypervisor` is wrong: `xen` is not one of auto, kvm, software"},
        ErrorCase{"BadOptionalWord", R"({"clock": "fast"})", "`clock` is wrong"},
        ErrorCase{"BadConsoleDevice", R"({"console": {"device": "vga"}})",
                  "`console.device` is wrong"},
        ErrorCase{"BothConsoles", R"({"console": {}, "serial": {}})", "give one of them"}),
    [](const auto& info) { return info.param.name; });

TEST(ConfigJsonTest, NestingIsBounded) {
  const auto config = ParseConfig(std::string(100000, '['));
  EXPECT_THAT(config.status().message(), HasSubstr("levels deep"));
}

TEST(ConfigJsonTest, ControlCharactersOfAKeyAreNotEchoed) {
  const auto config = ParseConfig("{\"\\u001b[31mred\": 1}");
  EXPECT_THAT(config.status().message(), HasSubstr("`?[31mred`"));
}

TEST(LoadConfigFileTest, ErrorsNameTheFile) {
  const std::string folder = ::testing::TempDir();
  EXPECT_EQ(GetErrno(LoadConfigFile(folder + "/missing.json").status()), ENOENT);
  EXPECT_THAT(LoadConfigFile(folder + "/missing.json").status().message(),
              HasSubstr("missing.json"));
  EXPECT_THAT(LoadConfigFile(folder).status().message(), HasSubstr("is a folder"));
  const std::string path = folder + "/config.json";
  std::ofstream(path) << "{\"gic\": 5}";
  EXPECT_THAT(LoadConfigFile(path).status().message(), HasSubstr("config.json: `gic` must be"));
  std::ofstream(path) << "{\"gic\": \"v5\"}";
  EXPECT_EQ(LoadConfigFile(path)->gic, GicChoice::kV5);
  std::ofstream(path) << std::string(kConfigFileLimit + 1, ' ');
  EXPECT_THAT(LoadConfigFile(path).status().message(), HasSubstr("larger than 1 MiB"));
}

}  // namespace
}  // namespace firn
