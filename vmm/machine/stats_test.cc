// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

MachineStats OneMachine() {
  MachineStats stats;
  stats.vcpus = {{.counts = {.instructions = 100, .exits = 10, .interrupts = 3, .wfi = 2},
                  .exits = {.mmio_reads = 4, .mmio_writes = 5, .system_events = 1}},
                 {.counts = {.instructions = 50, .exits = 1},
                  .exits = {.kicks = 1},
                  .position = {{"pc", 0xffff'8000'0801'0000}, {"far_el1", 0}}}};
  stats.mmio = {{.name = "serial",
                 .range = *GuestRange::Create(GuestAddress(0x1000), 0x100),
                 .reads = 7,
                 .writes = 8}};
  stats.unmapped_reads = 1;
  stats.unmapped_writes = 2;
  stats.devices = {{"serial", {.requests = 15, .bytes_written = 8, .interrupts = 1, .errors = 1}}};
  stats.guest_memory_bytes = 4096;
  stats.guest_memory_resident_bytes = 1000;
  return stats;
}

TEST(MachineStatsTest, AddSumsOverReboots) {
  MachineStats sum;
  sum.Add(OneMachine());
  MachineStats other = OneMachine();
  other.guest_memory_resident_bytes = 2000;
  other.vcpus[1].position[0].value = 0x1234;
  other.devices.push_back({"rtc", {.requests = 1}});
  sum.Add(other);
  ASSERT_EQ(sum.vcpus.size(), 2u);
  EXPECT_EQ(sum.vcpus[0].counts.instructions, 200u);
  EXPECT_EQ(sum.vcpus[0].exits.mmio_writes, 10u);
  EXPECT_EQ(sum.vcpus[1].exits.kicks, 2u);
  ASSERT_EQ(sum.mmio.size(), 1u);
  EXPECT_EQ(sum.mmio[0].reads, 14u);
  EXPECT_EQ(sum.mmio[0].writes, 16u);
  EXPECT_EQ(sum.unmapped_reads, 2u);
  EXPECT_EQ(sum.unmapped_writes, 4u);
  ASSERT_EQ(sum.devices.size(), 2u);
  EXPECT_EQ(sum.devices[0].counts.requests, 30u);
  EXPECT_EQ(sum.devices[0].counts.errors, 2u);
  EXPECT_EQ(sum.devices[1].counts.requests, 1u);
  // Memory and position are the last machine's.
  EXPECT_EQ(sum.vcpus[1].position[0].value, 0x1234u);
  EXPECT_EQ(sum.guest_memory_bytes, 4096u);
  EXPECT_EQ(sum.guest_memory_resident_bytes, 2000u);
}

TEST(StatsJsonTest, HasEveryCountByItsName) {
  RunStats stats;
  stats.hypervisor = "software";
  stats.interrupt_controller = "GICv5";
  stats.is_deterministic = true;
  stats.outcome = "power-off";
  stats.exit_status = 0;
  stats.reboots = 1;
  stats.machines = OneMachine();
  stats.timeline = {{"kernel loaded", 2'500'000, 1'000'000}};
  stats.end = {"", 9'000'000, 8'000'000};
  stats.host_resident_bytes = 5000;
  stats.host_peak_bytes = 6000;
  const std::string text = StatsJson(stats);
  EXPECT_EQ(text.back(), '\n');
  const Json json = Json::parse(text);
  EXPECT_EQ(json["hypervisor"], "software");
  EXPECT_EQ(json["deterministic"], true);
  EXPECT_EQ(json["outcome"], "power-off");
  EXPECT_EQ(json["reboots"], 1);
  EXPECT_EQ(json["total"]["instructions"], 150);
  EXPECT_EQ(json["total"]["exits"]["total"], 11);
  EXPECT_EQ(json["total"]["exits"]["kicks"], 1);
  EXPECT_EQ(json["vcpus"].size(), 2u);
  EXPECT_EQ(json["vcpus"][0]["exits"]["mmio_reads"], 4);
  EXPECT_EQ(json["vcpus"][0]["interrupts"]["taken"], 3);
  EXPECT_EQ(json["vcpus"][0]["wfi"], 2);
  EXPECT_EQ(json["vcpus"][0]["position"], Json::object());
  EXPECT_EQ(json["vcpus"][1]["position"], (Json{{"pc", "0xffff800008010000"}, {"far_el1", "0x0"}}));
  EXPECT_FALSE(json["total"].contains("position"));
  EXPECT_EQ(json["mmio"]["devices"]["serial"]["address"], 0x1000);
  EXPECT_EQ(json["mmio"]["devices"]["serial"]["writes"], 8);
  EXPECT_EQ(json["mmio"]["unmapped_writes"], 2);
  EXPECT_EQ(json["devices"]["serial"]["bytes_written"], 8);
  EXPECT_EQ(json["memory"]["own_resident_bytes"], 4000);
  EXPECT_EQ(json["time"]["timeline"][0]["event"], "kernel loaded");
  EXPECT_EQ(json["time"]["timeline"][0]["wall_ms"], 2.5);
  EXPECT_EQ(json["time"]["wall_ms"], 9.0);
}

// A drive's name may be anything.
TEST(StatsJsonTest, BearsNamesThatAreNoText) {
  RunStats stats;
  stats.machines.devices = {{"blk.\xff\"\n", {}}};
  EXPECT_EQ(Json::parse(StatsJson(stats))["devices"].size(), 1u);
}

TEST(ResidentBytesTest, CountsPagesThatWereTouched) {
  const GuestRange range = *GuestRange::Create(GuestAddress(0x4000'0000), 256 << 20);
  const std::unique_ptr<GuestMemory> memory = *GuestMemory::Create({&range, 1});
  EXPECT_EQ(*ResidentBytes(*memory), 0u);
  // In three pieces of what is looked at together.
  for (const uint64_t offset : {uint64_t{0}, uint64_t{5} << 20, uint64_t{255} << 20}) {
    ASSERT_TRUE(memory->Store<uint32_t>(GuestAddress(range.base().value + offset), 1).ok());
  }
  const uint64_t resident = *ResidentBytes(*memory);
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  EXPECT_GE(resident, 3 * page);
  EXPECT_LE(resident, uint64_t{6} << 20);  // huge pages, at most
}

TEST(ReadHostMemoryTest, TellsThisProcess) {
  RunStats stats;
  ReadHostMemory(stats);
  EXPECT_GT(stats.host_resident_bytes, 100u << 10);
  EXPECT_GE(stats.host_peak_bytes, stats.host_resident_bytes);
}

class StatsFileTest : public ::testing::Test {
 protected:
  StatsFileTest() { std::filesystem::create_directory(folder_); }
  ~StatsFileTest() override { std::filesystem::remove_all(folder_); }
  std::string Path(std::string_view name) const { return absl::StrCat(folder_, "/", name); }
  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  size_t FileCount() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++count;
    return count;
  }

  const std::string folder_ = absl::StrCat(::testing::TempDir(), "/stats-", getpid());
};

TEST_F(StatsFileTest, IsReplacedAsAWhole) {
  const std::string path = Path("stats.json");
  ASSERT_TRUE(CheckFileCanBeWritten(path).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "first, and longer").ok());
  ASSERT_TRUE(CheckFileCanBeWritten(path).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second").ok());
  EXPECT_EQ(Content(path), "second");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(StatsFileTest, AFolderOfItsNameIsRefusedAndNothingIsLeft) {
  std::filesystem::create_directory(Path("stats.json"));
  EXPECT_THAT(CheckFileCanBeWritten(Path("stats.json")).message(), HasSubstr("is a folder"));
  const absl::Status status = WriteFileAtomically(Path("stats.json"), "text");
  EXPECT_EQ(GetErrno(status), EISDIR) << status;
  EXPECT_THAT(status.message(), HasSubstr("stats.json"));
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(StatsFileTest, NeitherDeviceNorEmptyPathNorMissingFolder) {
  EXPECT_THAT(CheckFileCanBeWritten("/dev/null").message(), HasSubstr("not a regular file"));
  EXPECT_FALSE(CheckFileCanBeWritten("").ok());
  const absl::Status status = CheckFileCanBeWritten(Path("missing/stats.json"));
  EXPECT_EQ(GetErrno(status), ENOENT) << status;
  EXPECT_EQ(GetErrno(WriteFileAtomically(Path("missing/stats.json"), "text")), ENOENT);
}

}  // namespace
}  // namespace firn
