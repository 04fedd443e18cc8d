// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/snapshot_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "devices/virtio/mmio/virtio_mmio_state.pb.h"
#include "migration/snapshot.h"
#include "vmm/testing/machine_fixture.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

class SnapshotCheckTest : public testing::MachineTest {
 protected:
  // The state of a machine with two vCPUs and a disk, as it is saved.
  SnapshotCheckTest() {
    WriteKernel("spin");
    WriteFile("disk", std::string(4096, 'x'));
    config_.machine.vcpu_count = 2;
    config_.drives.push_back({.drive_id = "data", .path_on_host = Path("disk")});
    EXPECT_TRUE(Create().ok());
    std::filesystem::create_directories(Path("a"));
    SaveRequest request;
    request.paths = SnapshotPaths::InFolder(Path("a"));
    const absl::StatusOr<SavedSnapshot> saved = machine_->Save(request);
    EXPECT_TRUE(saved.ok()) << saved.status();
    const auto snapshot = Snapshot::Open(SystemFileCalls(), Path("a"));
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    if (snapshot.ok()) state_ = (*snapshot)->state();
  }

  StateFile state_;
};

TEST_F(SnapshotCheckTest, WhatIsSavedPasses) {
  const absl::Status status = CheckSnapshotState(state_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GE(state_.sections.size(), 10u);
}

// The checksums would be right: only the messages are not.
TEST_F(SnapshotCheckTest, NonsenseInAnySection) {
  for (size_t i = 0; i < state_.sections.size(); ++i) {
    StateFile file = state_;
    file.sections[i].content = "\xff\xff\xff\xff nonsense";
    const absl::Status status = CheckSnapshotState(file);
    EXPECT_EQ(status.ok(), false) << file.sections[i].name;
    EXPECT_THAT(status.message(), HasSubstr(file.sections[i].name));
  }
}

TEST_F(SnapshotCheckTest, MissingSections) {
  for (size_t i = 0; i < state_.sections.size(); ++i) {
    const std::string name = state_.sections[i].name;
    // Which devices a machine has is for its restore to say.
    const bool may_be_missing = !state_.sections[i].mandatory || name.starts_with("device/");
    StateFile file = state_;
    file.sections.erase(file.sections.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(CheckSnapshotState(file).ok(), may_be_missing) << name;
  }
}

TEST_F(SnapshotCheckTest, NonsenseAsTheStateOfADisk) {
  bool found = false;
  for (StateSection& section : state_.sections) {
    state::VirtioMmio transport;
    if (!section.name.starts_with("device/") || !transport.ParseFromString(section.content) ||
        transport.device_id() != 2 || transport.device().empty()) {
      continue;
    }
    found = true;
    transport.set_device("\xff\xff");
    section.content = transport.SerializeAsString();
    EXPECT_THAT(CheckSnapshotState(state_).message(), HasSubstr(section.name));
  }
  EXPECT_TRUE(found);
}

TEST_F(SnapshotCheckTest, SectionsOfANewerFirnPass) {
  state_.Add("of-a-newer-firn", "\xff\xff", /*mandatory=*/false);
  EXPECT_TRUE(CheckSnapshotState(state_).ok());
}

}  // namespace
}  // namespace firn
