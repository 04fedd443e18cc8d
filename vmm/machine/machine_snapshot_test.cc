// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Machines saved and restored on the software hypervisor.
#include "vmm/machine/machine_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "hypervisor/errno_status.h"
#include "migration/snapshot.h"
#include "migration/testing/failing_file_calls.h"
#include "migration/userfault.h"
#include "vmm/testing/machine_fixture.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMoment = 5'000;
constexpr uint64_t kLater = 9'000;

class MachineSnapshotTest : public testing::MachineTest {
 protected:
  MachineSnapshotTest() { config_.machine.track_dirty_pages = true; }

  // A guest that stands still after kMoment instructions.
  void RunToMoment(std::string_view label = "spin") {
    machine_.reset();
    hypervisor_ = *software::CreateSoftwareHypervisor();
    WriteKernel(label);
    ASSERT_TRUE(Create().ok());
    RunTo(kMoment);
  }

  SaveRequest Request(std::string_view folder) const {
    std::filesystem::create_directories(Path(folder));
    SaveRequest request;
    request.paths = SnapshotPaths::InFolder(Path(folder));
    return request;
  }

  static RestoreRequest Loading(MemoryLoad load) {
    RestoreRequest request;
    request.load = load;
    request.keep_identity = true;
    return request;
  }

  absl::Status Restore(std::string_view folder, const RestoreRequest& request = {}) {
    const auto snapshot = Snapshot::Open(SystemFileCalls(), Path(folder));
    if (!snapshot.ok()) return snapshot.status();
    machine_.reset();
    hypervisor_ = *software::CreateSoftwareHypervisor();
    absl::StatusOr<std::unique_ptr<Machine>> machine = RestoreFrom(**snapshot, request);
    if (!machine.ok()) return machine.status();
    machine_ = *std::move(machine);
    return absl::OkStatus();
  }
};

// Also in what it sees of the physical counter and timer.
TEST_F(MachineSnapshotTest, GoesOnLikeTheSavedOne) {
  for (const char* label : {"spin", "physical_time"}) {
    SCOPED_TRACE(label);
    RunToMoment(label);
    const absl::StatusOr<SavedSnapshot> saved = machine_->Save(Request("a"));
    ASSERT_TRUE(saved.ok()) << saved.status();
    EXPECT_GT(saved->pages, 0u);
    RunTo(kLater);
    const std::string expected = machine_->Hash()->ToString();
    for (const MemoryLoad load : {MemoryLoad::kMapped, MemoryLoad::kEager, MemoryLoad::kDemand}) {
      const absl::Status status = Restore("a", Loading(load));
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_GE(machine_->instructions(), kMoment);
      EXPECT_LT(machine_->instructions(), kLater);
      RunTo(kLater);
      EXPECT_EQ(machine_->Hash()->ToString(), expected);
    }
  }
}

// Exclusives: whether the store is done is the same in both, wherever the guest was saved.
TEST_F(MachineSnapshotTest, GoesOnLikeTheSavedOneBetweenLoadAndStore) {
  WriteKernel("exclusives");
  constexpr uint64_t kRound = 6;  // instructions
  for (uint64_t moment = kMoment; moment < kMoment + kRound; ++moment) {
    SCOPED_TRACE(moment);
    machine_.reset();
    hypervisor_ = *software::CreateSoftwareHypervisor();
    ASSERT_TRUE(Create().ok());
    RunTo(moment);
    ASSERT_TRUE(machine_->Save(Request("a")).ok());
    RunTo(kLater);
    const std::string expected = machine_->Hash()->ToString();
    ASSERT_TRUE(Restore("a", Loading(MemoryLoad::kMapped)).ok());
    RunTo(kLater);
    EXPECT_EQ(machine_->Hash()->ToString(), expected);
  }
}

TEST_F(MachineSnapshotTest, LayerHasWhatWasWrittenSince) {
  RunToMoment();
  EXPECT_THAT(machine_->Save(Request("a")).status(), absl::OkStatus());
  RunTo(kLater);
  SaveRequest request = Request("b");
  request.incremental = true;
  const absl::StatusOr<SavedSnapshot> layer = machine_->Save(request);
  ASSERT_TRUE(layer.ok()) << layer.status();
  EXPECT_EQ(layer->pages, 0u);  // it only spins
  const std::string expected = machine_->Hash()->ToString();
  ASSERT_TRUE(Restore("b", Loading(MemoryLoad::kMapped)).ok());
  RunTo(machine_->instructions());
  EXPECT_EQ(machine_->Hash()->ToString(), expected);
}

TEST_F(MachineSnapshotTest, MemoryLostOnDemandEndsTheMachine) {
  if (!Userfault::Create().ok()) GTEST_SKIP() << "no userfaultfd here";
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("a")).ok());
  RestoreRequest request = Loading(MemoryLoad::kDemand);
  request.record_path = Path("ws");  // so that nothing is loaded before
  ASSERT_TRUE(Restore("a", request).ok());
  std::filesystem::resize_file(Path("a/memory"), kGuestPageSize);
  ended_ = std::make_unique<absl::Notification>();
  ASSERT_TRUE(machine_->Start().ok());
  // Zeros in the place of what is lost do not become a snapshot.
  EXPECT_THAT(machine_->Save(Request("b")).status().message(), HasSubstr("a/memory ends at byte"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("b")));
  ended_->WaitForNotification();
  EXPECT_EQ(end_.kind, MachineEnd::Kind::kHostError);
  EXPECT_THAT(end_.detail, HasSubstr("a/memory ends at byte"));
  EXPECT_FALSE(machine_->Hash().ok());
  machine_->Stop();
}

// Its end may be told later than the client's wish to save it.
TEST_F(MachineSnapshotTest, GuestThatHasEndedIsNotSaved) {
  hypervisor_ = *software::CreateSoftwareHypervisor();
  WriteKernel("reboot");
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(machine_->Start().ok());
  ended_->WaitForNotification();
  const absl::Status status = machine_->Save(Request("a")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("has ended"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("a")));
  machine_->Stop();
}

TEST_F(MachineSnapshotTest, IncrementalOverItsOwnChainIsRefused) {
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("a")).ok());
  SaveRequest layer = Request("b");
  layer.incremental = true;
  ASSERT_TRUE(machine_->Save(layer).ok());
  for (const char* folder : {"a", "b"}) {
    SaveRequest request = Request(folder);
    request.incremental = true;
    EXPECT_THAT(machine_->Save(request).status().message(), HasSubstr("another name"));
  }
  EXPECT_TRUE(Restore("b").ok());
}

// Not only at the restore: the guest may be gone by then.
TEST_F(MachineSnapshotTest, LayerTooManyIsRefusedBeforeItIsWritten) {
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("0")).ok());
  for (size_t i = 1; i < kMaximumChain; ++i) {
    SaveRequest layer = Request(absl::StrCat(i));
    layer.incremental = true;
    ASSERT_TRUE(machine_->Save(layer).ok()) << i;
  }
  SaveRequest layer = Request("one-more");
  layer.incremental = true;
  EXPECT_THAT(machine_->Save(layer).status().message(), HasSubstr("make a full snapshot"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("one-more")));
  EXPECT_TRUE(Restore(absl::StrCat(kMaximumChain - 1)).ok());
}

TEST_F(MachineSnapshotTest, LayerOnABaseThatIsGoneIsRefused) {
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("a")).ok());
  std::filesystem::remove_all(Path("a"));
  SaveRequest layer = Request("b");
  layer.incremental = true;
  EXPECT_EQ(GetErrno(machine_->Save(layer).status()), ENOENT);
  EXPECT_TRUE(std::filesystem::is_empty(Path("b")));
  EXPECT_TRUE(machine_->Save(Request("b")).ok());
}

// KVM gives nothing out of a VM that runs: a save that forgets to pause fails, and the guest runs
// on.
TEST_F(MachineSnapshotTest, SaveWithoutPausing) {
  RunToMoment();
  ASSERT_TRUE(machine_->SetInstructionLimit(std::nullopt).ok());
  ASSERT_TRUE(machine_->Resume().ok());
  // A moment in which the vCPU is in Run: the counter moves.
  const uint64_t before = machine_->instructions();
  while (machine_->instructions() == before) {
  }
  SaveRequest request = Request("a");
  constexpr SavePhase kNoPause[] = {SavePhase::kInterruptTables, SavePhase::kRegisters,
                                    SavePhase::kMemory, SavePhase::kPublish};
  request.order = kNoPause;
  const absl::Status status = machine_->Save(request).status();
  EXPECT_EQ(GetErrno(status), EBUSY);
  EXPECT_THAT(status.message(), HasSubstr("save, interrupt tables"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("a")));
  const uint64_t later = machine_->instructions();
  while (machine_->instructions() == later) {
  }
}

// With its writes tracked, a guest runs while most of its memory is written: the first page that is
// written makes another one dirty here.
TEST_F(MachineSnapshotTest, WhatIsWrittenMeanwhileIsSavedAsWell) {
  config_.machine.track_dirty_pages = true;
  RunToMoment();
  ASSERT_TRUE(machine_->SetInstructionLimit(std::nullopt).ok());
  ASSERT_TRUE(machine_->Resume().ok());
  SaveRequest request = Request("a");
  std::vector<uint64_t> totals;
  request.progress = [&](uint64_t done, uint64_t total) {
    if (done == total) totals.push_back(total);
  };
  const absl::StatusOr<SavedSnapshot> saved = machine_->Save(request);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_FALSE(machine_->is_paused());
  // The second pass, for which it stood still, had only what it wrote meanwhile.
  ASSERT_GE(totals.size(), 1u);
  EXPECT_EQ(totals[0], saved->pages * kGuestPageSize);
  for (size_t i = 1; i < totals.size(); ++i) EXPECT_LT(totals[i], totals[0]);
  ASSERT_TRUE(Restore("a", {.load = MemoryLoad::kEager}).ok());
}

TEST_F(MachineSnapshotTest, DevicesRestoredTwiceAreRefused) {
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("a")).ok());
  RestoreRequest request;
  constexpr RestorePhase kTwice[] = {RestorePhase::kMemory, RestorePhase::kDevices,
                                     RestorePhase::kDevices};
  request.order = kTwice;
  EXPECT_THAT(Restore("a", request).message(), HasSubstr("restore, devices"));
}

TEST_F(MachineSnapshotTest, FailedSaveLeavesTheGuestRunning) {
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("a")).ok());
  ASSERT_TRUE(machine_->SetInstructionLimit(std::nullopt).ok());
  ASSERT_TRUE(machine_->Resume().ok());
  testing::FailingFileCalls calls;
  for (int n = 0;; ++n) {
    calls.FailAt(n, ENOSPC);
    SaveRequest request = Request("a");
    request.files = &calls;
    machine_->Save(request).status().IgnoreError();
    EXPECT_FALSE(machine_->is_paused());
    EXPECT_TRUE(Snapshot::Open(SystemFileCalls(), Path("a")).ok()) << n;
    if (!calls.has_failed()) break;
  }
  const uint64_t before = machine_->instructions();
  while (machine_->instructions() == before) {
  }
}

TEST_F(MachineSnapshotTest, OtherMachinesAreRefused) {
  RunToMoment();
  ASSERT_TRUE(machine_->Save(Request("a")).ok());
  config_.machine.vcpu_count = 2;
  EXPECT_THAT(Restore("a").message(), HasSubstr("1 vCPUs, this one has 2"));
  config_.machine.vcpu_count = 1;
  config_.machine.memory_bytes = 64 * kMiB;
  EXPECT_THAT(Restore("a").message(), HasSubstr("bytes of memory"));
  config_.machine.memory_bytes = 32 * kMiB;
  EXPECT_TRUE(Restore("a").ok());
  WriteFile("disk", std::string(4096, 'x'));
  config_.drives.push_back({.drive_id = "more", .path_on_host = Path("disk")});
  EXPECT_THAT(Restore("a").message(), Not(HasSubstr("internal")));
  EXPECT_FALSE(Restore("a").ok());
}

}  // namespace
}  // namespace firn
