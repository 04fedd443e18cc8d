// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Snapshots of a small guest memory, written and read without a machine.
#ifndef FIRN_MIGRATION_TESTING_SNAPSHOT_FIXTURE_H_
#define FIRN_MIGRATION_TESTING_SNAPSHOT_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "hypervisor/guest_memory.h"
#include "migration/memory_load.h"
#include "migration/page_scan.h"
#include "migration/snapshot.h"
#include "migration/snapshot_writer.h"
#include "migration/testing/failing_file_calls.h"

namespace firn::testing {

inline constexpr uint64_t kBase = 0x80000000;
inline constexpr uint64_t kPages = 200;  // in two regions, no multiple of a chunk

inline SnapshotId IdOf(int number) {
  SnapshotId id = {};
  id[0] = static_cast<uint8_t>(number);
  id[15] = 0xaa;
  return id;
}

inline std::unique_ptr<GuestMemory> NewMemory() {
  const GuestRange ranges[] = {*GuestRange::Create(GuestAddress(kBase), 101 * kGuestPageSize),
                               *GuestRange::Create(GuestAddress(2 * kBase), 99 * kGuestPageSize)};
  return *GuestMemory::Create(ranges);
}

inline GuestAddress AddressOf(uint64_t page) {
  return page < 101 ? GuestAddress(kBase + page * kGuestPageSize)
                    : GuestAddress(2 * kBase + (page - 101) * kGuestPageSize);
}

// What a guest has in its memory: by page, one word of it.
using Content = std::map<uint64_t, uint64_t>;

inline void Fill(GuestMemory& memory, const Content& content) {
  for (const auto& [page, word] : content) ASSERT_TRUE(memory.Store(AddressOf(page), word).ok());
}

inline Content ContentOf(const GuestMemory& memory) {
  Content content;
  for (uint64_t page = 0; page < kPages; ++page) {
    const uint64_t word = *memory.Load<uint64_t>(AddressOf(page));
    if (word != 0) content[page] = word;
  }
  return content;
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  std::string Path(std::string_view name) const { return folder_ + "/" + std::string(name); }

  absl::Status Save(FileCalls& calls, const std::string& folder, int number, const Content& content,
                    const std::string& parent = "", int parent_number = 0) {
    std::filesystem::create_directories(folder);
    const std::unique_ptr<GuestMemory> memory = NewMemory();
    Fill(*memory, content);
    const SnapshotPaths paths = SnapshotPaths::InFolder(folder);
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> files =
        SnapshotWriter::Begin(calls, paths, IdOf(number));
    if (!files.ok()) return files.status();
    MemoryFileWriter writer(*memory, (*files)->memory(), !parent.empty());
    absl::Status status = writer.Begin();
    if (!status.ok()) return status;
    status = writer.Write(*OwnPages(*memory));
    if (status.ok()) status = writer.Finish(IdOf(number));
    if (!status.ok()) return status;
    state::Manifest manifest;
    manifest.set_id(IdOf(number).data(), sizeof(SnapshotId));
    manifest.set_architecture("aarch64");
    manifest.set_memory_size(kPages * kGuestPageSize);
    if (!parent.empty()) {
      manifest.mutable_parent()->set_id(IdOf(parent_number).data(), sizeof(SnapshotId));
      manifest.mutable_parent()->set_path(RelativeTo(folder, parent + "/state"));
    }
    StateFile state;
    state.Add("manifest", manifest.SerializeAsString());
    state.Add("memory", writer.State().SerializeAsString());
    return (*files)->Publish(state);
  }

  // The number and the content of the snapshot in `folder`, read by the kernel's calls.
  absl::StatusOr<std::pair<int, Content>> Read(const std::string& folder,
                                               MemoryLoad load = MemoryLoad::kEager) {
    const auto snapshot = Snapshot::Open(SystemFileCalls(), folder);
    if (!snapshot.ok()) return snapshot.status();
    const std::unique_ptr<GuestMemory> memory = NewMemory();
    absl::Status status = LoadMemory(**snapshot, load, *memory);
    if (!status.ok()) return status;
    return std::pair((*snapshot)->id()[0], ContentOf(*memory));
  }

  FailingFileCalls healthy_;
  const std::string folder_ = ::testing::TempDir() + "/snapshots";
  const Content first_ = {{0, 1}, {63, 2}, {64, 3}, {100, 4}, {101, 5}, {199, 6}};
  const Content second_ = {{1, 7}, {100, 8}};
};

}  // namespace firn::testing

#endif  // FIRN_MIGRATION_TESTING_SNAPSHOT_FIXTURE_H_
