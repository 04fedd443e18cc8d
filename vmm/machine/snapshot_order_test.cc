// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The order of a save and a restore, with a guest that has interrupts of every kind pending: in
// each dialect of VGICv5's interface what it forbids loses them, and what it allows does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "migration/snapshot.h"
#include "vmm/testing/forbidden_orders.h"
#include "vmm/testing/machine_fixture.h"

namespace firn {
namespace {

using software::gicv5::Dialect;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::kMemoryBeforeTables;
using testing::kTablesBeforeMemory;
using ::testing::StartsWith;

constexpr uint64_t kMoment = 20'000;  // interrupts.S: all are pending, and masked
constexpr std::string_view kAll = "abcdefghST\nok\n";

constexpr SavePhase kRegistersBeforeTables[] = {
    SavePhase::kPauseVcpus,      SavePhase::kDrainDevices, SavePhase::kRegisters,
    SavePhase::kInterruptTables, SavePhase::kMemory,       SavePhase::kResume,
    SavePhase::kPublish,
};
constexpr RestorePhase kRegistersBeforeMemory[] = {
    RestorePhase::kRegisters,        RestorePhase::kMemory,  RestorePhase::kInterruptTables,
    RestorePhase::kInterruptEnables, RestorePhase::kDevices, RestorePhase::kTime,
};

class SnapshotOrderTest : public testing::MachineTest,
                          public ::testing::WithParamInterface<Dialect> {
 protected:
  SnapshotOrderTest() {
    WriteKernel("interrupts", "interrupts");
    config_.machine.memory_bytes = 16 * kMiB;
  }

  // In postings of before the merge the LPIs' IST goes through guest memory.
  static bool IsInGuestMemory() { return GetParam() != Dialect::kMerged; }
  void OpenHypervisor() {
    hypervisor_ = *software::CreateSoftwareHypervisor({.dialect = GetParam()});
  }

  void Save(std::string_view folder, bool incremental, absl::Span<const SavePhase> order) {
    std::filesystem::create_directories(Path(folder));
    SaveRequest request;
    request.paths = SnapshotPaths::InFolder(Path(folder));
    request.incremental = incremental;
    request.order = order;
    const absl::StatusOr<SavedSnapshot> saved = machine_->Save(request);
    ASSERT_TRUE(saved.ok()) << saved.status();
  }

  void SaveAtMoment(absl::Span<const SavePhase> order) {
    OpenHypervisor();
    ASSERT_TRUE(Create().ok());
    RunTo(kMoment);
    ASSERT_EQ(output_.text, "ready\n");
    Save("a", /*incremental=*/false, order);
    machine_.reset();
  }

  // What the restored guest prints to its end, or the error of the restore.
  std::string Restored(absl::Span<const RestorePhase> order) {
    output_.text.clear();
    OpenHypervisor();
    const auto snapshot = Snapshot::Open(SystemFileCalls(), Path("a"));
    if (!snapshot.ok()) return snapshot.status().ToString();
    ended_ = std::make_unique<absl::Notification>();
    RestoreRequest request;
    request.order = order;
    absl::StatusOr<std::unique_ptr<Machine>> machine = RestoreFrom(**snapshot, request);
    if (!machine.ok()) return machine.status().ToString();
    machine_ = *std::move(machine);
    EXPECT_TRUE(machine_->Start().ok());
    ended_->WaitForNotification();
    machine_->Stop();
    EXPECT_EQ(end_.kind, MachineEnd::Kind::kPowerOff) << end_.detail;
    return output_.text;
  }
};

INSTANTIATE_TEST_SUITE_P(Dialects, SnapshotOrderTest,
                         ::testing::Values(Dialect::kSeriesV1, Dialect::kSeriesV2,
                                           Dialect::kMerged));

TEST_P(SnapshotOrderTest, EachInterruptComesOnce) {
  SaveAtMoment(kSaveOrder);
  EXPECT_EQ(Restored(kRestoreOrder), kAll);
  EXPECT_EQ(Restored(kRestoreOrder), kAll);  // as often as wanted
}

// What the host writes to the IST on behalf of the guest is in the layer too.
TEST_P(SnapshotOrderTest, AsALayer) {
  config_.machine.track_dirty_pages = true;
  OpenHypervisor();
  ASSERT_TRUE(Create().ok());
  RunTo(20);  // before any is pending
  Save("base", /*incremental=*/false, kSaveOrder);
  RunTo(kMoment);
  Save("a", /*incremental=*/true, kSaveOrder);
  machine_.reset();
  EXPECT_EQ(Restored(kRestoreOrder), kAll);
}

TEST_P(SnapshotOrderTest, MemorySavedBeforeTheTables) {
  SaveAtMoment(kMemoryBeforeTables);
  if (IsInGuestMemory()) {
    EXPECT_THAT(Restored(kRestoreOrder), HasSubstr("lost"));
  } else {
    EXPECT_EQ(Restored(kRestoreOrder), kAll);
  }
}

TEST_P(SnapshotOrderTest, TablesRestoredBeforeMemory) {
  SaveAtMoment(kSaveOrder);
  if (IsInGuestMemory()) {
    EXPECT_THAT(Restored(kTablesBeforeMemory),
                AnyOf(HasSubstr("lost"), StartsWith("restore, interrupt tables")));
  } else {
    EXPECT_EQ(Restored(kTablesBeforeMemory), kAll);
  }
}

TEST_P(SnapshotOrderTest, OrdersThatEachDialectAllows) {
  SaveAtMoment(kRegistersBeforeTables);
  EXPECT_EQ(Restored(kRestoreOrder), kAll);
  EXPECT_EQ(Restored(kRegistersBeforeMemory), kAll);
}

}  // namespace
}  // namespace firn
