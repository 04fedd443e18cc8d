// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/compact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "migration/testing/snapshot_fixture.h"

namespace firn {
namespace {

using testing::Content;
using testing::FailingFileCalls;
using ::testing::HasSubstr;
using testing::IdOf;
using testing::kPages;

constexpr int kBaseId = 1, kMiddleId = 2, kTopId = 3, kNewId = 4;

class CompactTest : public testing::SnapshotTest {
 protected:
  CompactTest() { MakeChain(); }

  // Three snapshots, the last of which is `expected_`.
  void MakeChain() {
    for (const char* name : {"base", "middle", "top", "other"}) {
      std::filesystem::remove_all(Path(name));
    }
    ASSERT_TRUE(Save(healthy_, Path("base"), kBaseId, first_).ok());
    // Page 0 is zeroed: this hides what the base has there. Page 100 has another word.
    ASSERT_TRUE(
        Save(healthy_, Path("middle"), kMiddleId, {{0, 0}, {100, 8}}, Path("base"), kBaseId).ok());
    ASSERT_TRUE(
        Save(healthy_, Path("top"), kTopId, {{1, 7}, {150, 9}}, Path("middle"), kMiddleId).ok());
  }

  absl::StatusOr<CompactedSnapshot> CompactTop(FileCalls& calls, const std::string& to,
                                               const Progress& progress = nullptr) {
    const auto chain = Snapshot::Open(calls, Path("top"));
    if (!chain.ok()) return chain.status();
    std::filesystem::create_directories(to);
    const SnapshotPaths paths = to == Path("top") ? (*chain)->paths() : SnapshotPaths::InFolder(to);
    return Compact(calls, **chain, paths, IdOf(kNewId), progress);
  }

  std::string Bytes(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const Content expected_ = {{1, 7}, {63, 2}, {64, 3}, {100, 8}, {101, 5}, {150, 9}, {199, 6}};
};

TEST_F(CompactTest, MemoryIsTheSameInPlace) {
  const auto compacted = CompactTop(healthy_, Path("top"));
  ASSERT_TRUE(compacted.ok()) << compacted.status();
  EXPECT_EQ(compacted->pages, expected_.size());
  EXPECT_EQ(compacted->memory_bytes, expected_.size() * kGuestPageSize);
  const auto snapshot = Snapshot::Open(SystemFileCalls(), Path("top"));
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ((*snapshot)->layers().size(), 1u);
  EXPECT_FALSE((*snapshot)->manifest().has_parent());
  // It stands alone; and its parents are as they were.
  EXPECT_EQ(Read(Path("middle"))->first, kMiddleId);
  std::filesystem::remove_all(Path("base"));
  std::filesystem::remove_all(Path("middle"));
  for (const MemoryLoad load : {MemoryLoad::kEager, MemoryLoad::kMapped}) {
    const auto read = Read(Path("top"), load);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->first, kNewId);
    EXPECT_EQ(read->second, expected_);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Path("top")), {}), 2);
}

TEST_F(CompactTest, IntoAnotherFolderLeavesTheChain) {
  const std::string state = Bytes(Path("top/state")), memory = Bytes(Path("top/memory"));
  ASSERT_TRUE(CompactTop(healthy_, Path("other")).ok());
  EXPECT_EQ(Read(Path("other"))->second, expected_);
  EXPECT_EQ(Bytes(Path("top/state")), state);
  EXPECT_EQ(Bytes(Path("top/memory")), memory);
}

TEST_F(CompactTest, ZeroPagesAreHoles) {
  ASSERT_TRUE(CompactTop(healthy_, Path("top")).ok());
  const auto snapshot = Snapshot::Open(SystemFileCalls(), Path("top"));
  ASSERT_TRUE(snapshot.ok());
  // Page 0 was in the base, and zero in the layer above.
  EXPECT_FALSE((*snapshot)->layers()[0].index.pages.Contains(0));
  struct stat info;
  ASSERT_EQ(stat(Path("top/memory").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, static_cast<off_t>((kPages + 1) * kGuestPageSize));
  EXPECT_LE(info.st_blocks * 512, static_cast<blkcnt_t>((expected_.size() + 1) * kGuestPageSize));
}

TEST_F(CompactTest, OtherSectionsStayByteForByte) {
  const auto chain = Snapshot::Open(SystemFileCalls(), Path("top"));
  ASSERT_TRUE(chain.ok());
  StateFile state = (*chain)->state();
  state.Add("of-a-newer-firn", "anything", /*mandatory=*/false);
  state.Add("device/serial", std::string("\0\xff", 2));
  std::ofstream(Path("top/state"), std::ios::binary) << EncodeStateFile(state);
  ASSERT_TRUE(CompactTop(healthy_, Path("top")).ok());
  const auto compacted = Snapshot::Open(SystemFileCalls(), Path("top"));
  ASSERT_TRUE(compacted.ok());
  ASSERT_EQ((*compacted)->state().sections.size(), state.sections.size());
  for (size_t i = 0; i < state.sections.size(); ++i) {
    const StateSection& section = (*compacted)->state().sections[i];
    if (section.name == "manifest" || section.name == "memory") continue;
    EXPECT_EQ(section, state.sections[i]);
  }
}

TEST_F(CompactTest, DamagedLayerChangesNothing) {
  for (const char* name : {"base", "middle", "top"}) {
    MakeChain();
    // Also where a layer above hides the page.
    const uint64_t page = std::string_view(name) == "base" ? 0 : name[0] == 'm' ? 100 : 150;
    std::fstream file(Path(name) + "/memory", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<off_t>(page * kGuestPageSize + 4000));
    file.put('\1');
    file.close();
    const std::string state = Bytes(Path("top/state")), memory = Bytes(Path("top/memory"));
    for (const char* to : {"top", "other"}) {
      const absl::Status status = CompactTop(healthy_, Path(to)).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(status.message(), HasSubstr(std::string(name) + "/memory is damaged"));
    }
    EXPECT_EQ(Bytes(Path("top/state")), state);
    EXPECT_EQ(Bytes(Path("top/memory")), memory);
    EXPECT_TRUE(std::filesystem::is_empty(Path("other")));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Path("top")), {}), 2);
  }
}

TEST_F(CompactTest, CallThatFailsAnywhere) {
  for (const int error : {ENOSPC, EIO}) {
    for (int n = 0;; ++n) {
      MakeChain();
      FailingFileCalls calls;
      calls.FailAt(n, error);
      const absl::Status status = CompactTop(calls, Path("top")).status();
      const auto read = Read(Path("top"));
      ASSERT_TRUE(read.ok()) << "call " << n << ": " << read.status();
      EXPECT_EQ(read->second, expected_) << "call " << n;
      const bool is_there = status.ok() || absl::StrContains(status.message(), "is there, but");
      EXPECT_EQ(read->first, is_there ? kNewId : kTopId) << "call " << n << ": " << status;
      if (!calls.has_failed()) break;
      ASSERT_LT(n, 1000);
    }
  }
}

TEST_F(CompactTest, KilledAnywhere) {
  for (int n = 0;; ++n) {
    MakeChain();
    FailingFileCalls calls;
    calls.KillAt(n);
    CompactTop(calls, Path("top")).status().IgnoreError();
    const auto read = Read(Path("top"));
    ASSERT_TRUE(read.ok()) << "call " << n << ": " << read.status();
    EXPECT_EQ(read->second, expected_) << "call " << n;
    if (!calls.has_failed()) break;
    // Nothing is in the way of the next one.
    if (read->first == kTopId) {
      EXPECT_TRUE(CompactTop(healthy_, Path("top")).ok()) << "call " << n;
      EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Path("top")), {}), 2);
    }
    ASSERT_LT(n, 1000);
  }
}

TEST_F(CompactTest, SnapshotThatIsSavedMeanwhileStays) {
  const absl::Status status = CompactTop(healthy_, Path("top"), [&](uint64_t done, uint64_t total) {
                                if (done == total) {
                                  EXPECT_TRUE(Save(healthy_, Path("top"), 9, second_).ok());
                                }
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_EQ(Read(Path("top"))->first, 9);
  EXPECT_EQ(Read(Path("top"))->second, second_);
}

TEST_F(CompactTest, LayerThatIsSavedMeanwhileKeepsItsParent) {
  const auto save = [&](uint64_t, uint64_t) {
    ASSERT_TRUE(Save(healthy_, Path("layer"), 5, second_, Path("top"), kTopId).ok());
  };
  const absl::Status status = CompactTop(healthy_, Path("top"), save).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("layer/state lies on "));
  EXPECT_TRUE(Read(Path("layer")).ok());
  EXPECT_TRUE(CompactTop(healthy_, Path("other"), save).ok());
}

TEST_F(CompactTest, ProgressEndsAtTheTotal) {
  uint64_t last = 0;
  ASSERT_TRUE(CompactTop(healthy_, Path("other"), [&](uint64_t done, uint64_t total) {
                EXPECT_GT(done, last);
                EXPECT_EQ(total, 8 * kGuestPageSize);  // that some layer has
                last = done;
              }).ok());
  EXPECT_EQ(last, 8 * kGuestPageSize);
}

}  // namespace
}  // namespace firn
