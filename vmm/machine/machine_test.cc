// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Machines on the software hypervisor, with the tiny kernel of testing/guests/kernel.S.
#include "vmm/machine/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/software/software_hypervisor.h"
#include "vmm/testing/machine_fixture.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using Kind = MachineEnd::Kind;

size_t OpenFiles() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

// A hypervisor that has no VMs to give.
class FullHypervisor final : public Hypervisor {
 public:
  std::string_view name() const override { return "full"; }
  bool is_deterministic() const override { return false; }
  int CheckExtension(kvm::Capability) const override { return 0; }
  absl::StatusOr<std::unique_ptr<Vm>> CreateVm(int) override {
    return ErrnoStatus(ENOMEM, "KVM_CREATE_VM");
  }
};

using testing::MachineTest;

// ---- Ends

// It executes nothing any more, and must be let out all the same.
TEST_F(MachineTest, GuestWithoutVectorsCanBePausedAndStopped) {
  WriteKernel("no_vectors");
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(machine_->Start().ok());
  while (machine_->instructions() == 0) {
  }
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_TRUE(machine_->Pause().ok());
  EXPECT_TRUE(machine_->Resume().ok());
  machine_->Stop();
}

TEST_F(MachineTest, PowerOff) {
  EXPECT_EQ(Run("power_off").kind, Kind::kPowerOff);
  EXPECT_THAT(machine_->interrupt_controller(), HasSubstr("GICv5"));
}

TEST_F(MachineTest, AReboot) {
  const size_t files = OpenFiles();
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Run("reboot").kind, Kind::kReboot);
    machine_.reset();
    EXPECT_EQ(OpenFiles(), files) << n;
  }
  EXPECT_EQ(output_.text, "hello\nhello\nhello\n");
}

TEST_F(MachineTest, APanicThatSpinsEndsAtItsLastWord) {
  const MachineEnd end = Run("panic");
  EXPECT_EQ(end.kind, Kind::kPanic);
  EXPECT_THAT(end.detail, HasSubstr("a test"));
  EXPECT_THAT(output_.text, HasSubstr("end Kernel panic"));
}

TEST_F(MachineTest, ARebootAfterAPanicIsAPanic) {
  const MachineEnd end = Run("panic_and_reboot");
  EXPECT_EQ(end.kind, Kind::kPanic);
  EXPECT_THAT(end.detail, HasSubstr("a test"));
}

TEST_F(MachineTest, APanicThroughPvpanic) {
  const MachineEnd end = Run("report_panic");
  EXPECT_EQ(end.kind, Kind::kPanic);
  EXPECT_THAT(end.detail, HasSubstr("pvpanic"));
}

TEST_F(MachineTest, ACrashSaysWhatCouldNotBeExecuted) {
  const MachineEnd end = Run("undescribed");
  EXPECT_EQ(end.kind, Kind::kCrash);
  EXPECT_THAT(end.detail, HasSubstr("vCPU 0"));
}

TEST_F(MachineTest, TheInstructionLimit) {
  hypervisor_ = *software::CreateSoftwareHypervisor({.stop_at = 10'000});
  EXPECT_EQ(Run("spin").kind, Kind::kInstructionLimit);
  const VcpuRunStats vcpu = machine_->stats().vcpus[0];
  EXPECT_GE(vcpu.counts.instructions, 10'000u);
  ASSERT_EQ(vcpu.position.size(), 5u);
  EXPECT_EQ(vcpu.position[0].name, "pc");
  EXPECT_EQ(vcpu.position[0].value / kMiB, kRamBase.value / kMiB);
  EXPECT_EQ(vcpu.position[1].name, "pstate");
  EXPECT_EQ(vcpu.position[1].value & 0xf, 5u) << "EL1h";
  machine_.reset();  // before its hypervisor
}

TEST_F(MachineTest, StopsWhileItRuns) {
  config_.machine.vcpu_count = 4;
  WriteKernel("spin");
  ASSERT_TRUE(Create().ok());
  EXPECT_TRUE(machine_->Start().ok());
  machine_->RequestStop();
  machine_->Stop();
  machine_->Stop();  // once more does nothing
  EXPECT_FALSE(ended_->HasBeenNotified());
  EXPECT_EQ(machine_->stats().vcpus.size(), 4u);
}

TEST_F(MachineTest, GoesAwayWithoutHavingRunOrWhileItRuns) {
  WriteKernel("spin");
  ASSERT_TRUE(Create().ok());
  machine_.reset();
  ASSERT_TRUE(Create().ok());
  EXPECT_TRUE(machine_->Start().ok());
  machine_.reset();
  EXPECT_FALSE(ended_->HasBeenNotified());
}

// Whoever is told that the guest stands still may copy its disks.
TEST_F(MachineTest, DevicesHaveDoneWhatTheyWereAskedBeforeItIsPaused) {
  WriteKernel("spin");
  ASSERT_TRUE(Create().ok());
  const EventFd doorbell = *EventFd::Create();
  int served = 0;
  ASSERT_TRUE(loop_
                  ->AddDevice(doorbell.fd(),
                              [&] {
                                ASSERT_TRUE(doorbell.Take());
                                ++served;
                              })
                  .ok());
  ASSERT_TRUE(machine_->Start().ok());
  doorbell.Signal();
  ASSERT_TRUE(machine_->Pause().ok());
  EXPECT_EQ(served, 1);
  loop_->RemoveDevice(doorbell.fd());
  machine_->Stop();
}

// ---- What it does meanwhile

TEST_F(MachineTest, PausedVcpusAreOutOfTheGuest) {
  config_.machine.vcpu_count = 2;
  WriteKernel("spin");
  ASSERT_TRUE(Create().ok());
  auto instructions = [this] { return machine_->stats().vcpus[0].counts.instructions; };
  EXPECT_TRUE(machine_->Start().ok());
  EXPECT_FALSE(machine_->is_paused());
  ASSERT_TRUE(machine_->Pause().ok());
  EXPECT_TRUE(machine_->is_paused());
  const uint64_t before = instructions();
  ASSERT_TRUE(machine_->Pause().ok()) << "it is paused";
  EXPECT_EQ(instructions(), before);
  uint64_t after = before;
  while (after == before) {
    EXPECT_TRUE(machine_->Resume().ok());
    EXPECT_FALSE(machine_->is_paused());
    EXPECT_TRUE(machine_->Resume().ok());
    ASSERT_TRUE(machine_->Pause().ok());
    after = instructions();
  }
  EXPECT_GT(after, before);
  machine_->Stop();
}

TEST_F(MachineTest, InputWaitsForTheGuestAndComesBack) {
  WriteKernel("echo");
  ASSERT_TRUE(Create().ok());
  absl::Notification room;
  machine_->SetInputRoomCallback([&] { room.Notify(); });
  constexpr std::string_view kText = "abq";
  const absl::Span<const std::byte> text(reinterpret_cast<const std::byte*>(kText.data()),
                                         kText.size());
  EXPECT_EQ(machine_->Input(text), 0u);
  EXPECT_TRUE(machine_->Start().ok());
  room.WaitForNotification();
  EXPECT_EQ(machine_->Input(text), 3u);
  ended_->WaitForNotification();
  machine_->Stop();
  EXPECT_EQ(end_.kind, Kind::kPowerOff);
  EXPECT_EQ(output_.text, "abq");
}

TEST_F(MachineTest, CountsWhatTheGuestDid) {
  config_.machine.vcpu_count = 2;
  ASSERT_EQ(Run("stray").kind, Kind::kPowerOff);
  const MachineStats stats = machine_->stats();
  ASSERT_EQ(stats.vcpus.size(), 2u);
  EXPECT_EQ(stats.vcpus[0].exits.mmio_reads, 2u);
  EXPECT_EQ(stats.vcpus[0].exits.mmio_writes, 1u);
  EXPECT_EQ(stats.vcpus[0].exits.system_events, 1u);
  EXPECT_EQ(stats.unmapped_reads, 2u);
  EXPECT_EQ(stats.unmapped_writes, 1u);
  EXPECT_EQ(stats.vcpus[1].counts.instructions, 0u);
  EXPECT_EQ(stats.guest_memory_bytes, 32 * kMiB);
  EXPECT_GT(stats.guest_memory_resident_bytes, 0u);
  EXPECT_LT(stats.guest_memory_resident_bytes, 8 * kMiB);
}

TEST_F(MachineTest, TwoMachinesOfOneConfigurationRepeat) {
  ASSERT_EQ(Run("reboot").kind, Kind::kReboot);
  const uint64_t instructions = machine_->stats().vcpus[0].counts.instructions;
  machine_.reset();
  ASSERT_EQ(Run("reboot").kind, Kind::kReboot);
  EXPECT_EQ(machine_->stats().vcpus[0].counts.instructions, instructions);
}

TEST_F(MachineTest, MarksItsMilestones) {
  Run("power_off");
  std::vector<std::string> names;
  for (const Milestone& milestone : timeline_.milestones()) names.push_back(milestone.name);
  EXPECT_THAT(
      names, ::testing::ElementsAre("machine created", "kernel loaded", "first guest instruction"));
}

// ---- What it cannot be made of

class MachineErrorTest : public MachineTest {
 protected:
  MachineErrorTest() { WriteKernel("power_off"); }

  // Creating fails with `message` in the error, and leaves nothing open.
  void Expect(std::string_view message, std::optional<int> error = std::nullopt) {
    const size_t files = OpenFiles();
    const absl::Status status = Create();
    EXPECT_THAT(status.message(), HasSubstr(std::string(message)));
    if (error) {
      EXPECT_EQ(GetErrno(status), error) << status;
    }
    EXPECT_EQ(OpenFiles(), files) << status;
  }
};

TEST_F(MachineErrorTest, MoreVcpusThanTheHypervisorRuns) {
  config_.machine.vcpu_count = 9;
  Expect("9 vCPUs: the software hypervisor runs 1 to 8");
}

TEST_F(MachineErrorTest, Memory) {
  config_.machine.memory_bytes = 0;
  Expect("memory");
  config_.machine.memory_bytes = 1 * kMiB;
  Expect("memory");
  config_.machine.memory_bytes = 32 * kMiB + 4096;
  Expect("memory");
  config_.machine.memory_bytes = uint64_t{1} << 50;
  Expect("memory");
}

TEST_F(MachineErrorTest, Kernel) {
  config_.boot_source.kernel_image_path = Path("missing");
  Expect("missing", ENOENT);
  config_.boot_source.kernel_image_path = folder_;
  Expect(folder_);
  WriteFile("empty", "");
  config_.boot_source.kernel_image_path = Path("empty");
  Expect("empty");
}

TEST_F(MachineErrorTest, Initrd) {
  config_.boot_source.initrd_path = Path("missing");
  Expect("missing", ENOENT);
  WriteFile("large", "");
  std::filesystem::resize_file(Path("large"), 64 * kMiB);
  config_.boot_source.initrd_path = Path("large");
  Expect("large");
}

TEST_F(MachineErrorTest, CommandLine) {
  config_.boot_source.boot_args = std::string(5000, 'x');
  Expect("command line");
}

TEST_F(MachineErrorTest, Disks) {
  config_.drives = {{.drive_id = "d", .path_on_host = Path("missing")}};
  Expect("missing", ENOENT);
  config_.drives[0].path_on_host = folder_;
  Expect(folder_);
  WriteFile("odd", "odd");
  config_.drives[0].path_on_host = Path("odd");
  Expect("512");
  config_.drives.assign(63, {.drive_id = "d", .path_on_host = Path("missing")});
  Expect("64 virtio devices");
}

TEST_F(MachineErrorTest, AHypervisorThatHasNoVm) {
  FullHypervisor full;
  const absl::Status status = Create(full);
  EXPECT_EQ(GetErrno(status), ENOMEM) << status;
}

// After all of these one that is right still works.
TEST_F(MachineErrorTest, AnErrorLeavesTheLoopUsable) {
  config_.drives = {{.drive_id = "d", .path_on_host = Path("missing")}};
  EXPECT_FALSE(Create().ok());
  config_.drives.clear();
  EXPECT_EQ(Run("power_off").kind, Kind::kPowerOff);
}

}  // namespace
}  // namespace firn
