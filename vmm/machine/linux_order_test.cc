// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What the order of a save and a restore is for, with Debian's kernel on two CPUs: where the LPIs'
// IST goes through guest memory, the forbidden orders give a guest whose CPUs do not hear each
// other any more, and is not the one that was saved. (snapshot_order_test.cc: each kind of
// interrupt, each dialect.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_format.h"
#include "migration/snapshot.h"
#include "vmm/testing/forbidden_orders.h"
#include "vmm/testing/machine_fixture.h"

namespace firn {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::kMemoryBeforeTables;
using testing::kTablesBeforeMemory;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uint64_t kStep = 1'000'000;           // instructions: a few rounds of wakeups.c
constexpr uint64_t kBootLimit = 2'000'000'000;  // some 600 million are needed
constexpr uint64_t kFinishLimit = 100'000'000;  // of a restored guest, whose work takes 60 million

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An initramfs (newc, Documentation/driver-api/early-userspace/buffer-format.rst) whose one file is
// the init program.
std::string Initramfs(const std::string& program) {
  constexpr unsigned kExecutable = 0100755;
  const auto entry = [](std::string_view name, unsigned mode, const std::string& content) {
    std::string result =
        absl::StrFormat("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0, mode, 0, 0,
                        1, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0);
    const auto pad = [&result] { result.resize((result.size() + 3) & ~size_t{3}); };
    result.append(name).push_back('\0');
    pad();
    result.append(content);
    pad();
    return result;
  };
  return entry("init", kExecutable, program) + entry("TRAILER!!!", 0, "");
}

class LinuxOrderTest : public testing::MachineTest {
 protected:
  LinuxOrderTest() {
    config_.boot_source.kernel_image_path = "external/guest/7.2-cloud/vmlinuz";
    WriteFile("initrd", Initramfs(ReadFile("vmm/testing/guests/wakeups")));
    config_.boot_source.initrd_path = Path("initrd");
    config_.boot_source.boot_args = "console=ttyS0 quiet panic=-1";
    config_.machine.vcpu_count = 2;
    config_.machine.memory_bytes = 192 * kMiB;
  }

  bool HasPrinted(std::string_view text) const {
    return output_.text.find(text) != std::string::npos;
  }
  bool IsRunning() const { return end_.kind == MachineEnd::Kind::kInstructionLimit; }

  void NewHypervisor() {
    machine_.reset();
    hypervisor_ =
        *software::CreateSoftwareHypervisor({.dialect = software::gicv5::Dialect::kSeriesV2});
    output_.text.clear();
  }

  // Lets the machine go on up to `moment`, or to its end.
  void GoTo(uint64_t moment) {
    ended_ = std::make_unique<absl::Notification>();
    ASSERT_TRUE(machine_->SetInstructionLimit(moment).ok());
    ASSERT_TRUE(machine_->Resume().ok());
    ended_->WaitForNotification();
    if (!IsRunning()) return;
    ASSERT_TRUE(machine_->Pause().ok());
  }

  // Boots the guest until its CPUs wake each other.
  void Boot() {
    NewHypervisor();
    const absl::Status status = Create();
    ASSERT_TRUE(status.ok()) << status;
    while (!HasPrinted("ready")) {
      ASSERT_LT(machine_->instructions(), kBootLimit) << output_.text;
      ASSERT_NO_FATAL_FAILURE(GoTo(machine_->instructions() + kStep));
      ASSERT_TRUE(IsRunning()) << end_.detail << output_.text;
    }
  }

  void Save(std::string_view folder, absl::Span<const SavePhase> order) {
    std::filesystem::create_directories(Path(folder));
    SaveRequest request;
    request.paths = SnapshotPaths::InFolder(Path(folder));
    request.order = order;
    const absl::StatusOr<SavedSnapshot> saved = machine_->Save(request);
    ASSERT_TRUE(saved.ok()) << saved.status();
  }

  // The state at `later_`, and how the guest ends and what it prints until then.
  std::string Finish() {
    GoTo(later_);
    const absl::StatusOr<StateHash> hash = machine_->Hash();
    if (!hash.ok()) return hash.status().ToString();
    if (IsRunning()) GoTo(later_ + kFinishLimit);
    const std::string how =
        end_.kind == MachineEnd::Kind::kPowerOff ? " powered off " : " goes on ";
    machine_->Stop();
    return absl::StrCat(hash->ToString(), how, output_.text);
  }

  // As Finish, of the guest that is restored; or the error of the restore.
  std::string Restored(std::string_view folder, absl::Span<const RestorePhase> order) {
    NewHypervisor();
    const auto snapshot = Snapshot::Open(SystemFileCalls(), Path(folder));
    if (!snapshot.ok()) return snapshot.status().ToString();
    RestoreRequest request;
    request.order = order;
    request.keep_identity = true;
    absl::StatusOr<std::unique_ptr<Machine>> machine = RestoreFrom(**snapshot, request);
    if (!machine.ok()) return std::string(machine.status().message());
    machine_ = *std::move(machine);
    return Finish();
  }

  uint64_t later_ = 0;
};

TEST_F(LinuxOrderTest, GuestOfAForbiddenOrderIsBroken) {
  ASSERT_NO_FATAL_FAILURE(Boot());
  // In this order: the save of the tables writes them to guest memory, for those that come later.
  ASSERT_NO_FATAL_FAILURE(Save("memory-first", kMemoryBeforeTables));
  ASSERT_NO_FATAL_FAILURE(Save("right", kSaveOrder));
  later_ = machine_->instructions() + kStep;
  output_.text.clear();
  const std::string expected = Finish();
  EXPECT_THAT(expected, HasSubstr("powered off ok"));

  EXPECT_EQ(Restored("right", kRestoreOrder), expected);
  const std::string hash = expected.substr(0, expected.find(' '));
  const auto is_broken = AllOf(Not(StartsWith(hash)), HasSubstr("lost"));
  EXPECT_THAT(Restored("memory-first", kRestoreOrder), is_broken);
  EXPECT_THAT(Restored("right", kTablesBeforeMemory),
              AnyOf(is_broken, StartsWith("restore, interrupt tables")));
}

}  // namespace
}  // namespace firn
