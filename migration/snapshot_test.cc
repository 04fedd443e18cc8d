// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Snapshots on disk: memory files, chains, and saves that fail or are killed at any call.
#include "migration/snapshot.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "hypervisor/errno_status.h"
#include "migration/testing/snapshot_fixture.h"

namespace firn {
namespace {

using testing::Content;
using testing::ContentOf;
using testing::Fill;
using ::testing::HasSubstr;
using testing::IdOf;
using testing::kPages;
using testing::NewMemory;
using testing::SnapshotTest;

TEST_F(SnapshotTest, MemoryComesBackEitherWay) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  for (const MemoryLoad load : {MemoryLoad::kEager, MemoryLoad::kMapped}) {
    const auto read = Read(Path("a"), load);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->first, 1);
    EXPECT_EQ(read->second, first_);
  }
  struct stat info;
  ASSERT_EQ(stat(Path("a/memory").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, static_cast<off_t>((kPages + 1) * kGuestPageSize));
  EXPECT_LE(info.st_blocks * 512, 8 * 4096);
}

TEST_F(SnapshotTest, PagesWrittenTwiceAreChecksummedAsTheyAre) {
  const std::unique_ptr<GuestMemory> memory = NewMemory();
  Fill(*memory, first_);
  absl::StatusOr<File> file = File::Open(SystemFileCalls(), Path("m"), O_RDWR | O_CREAT);
  ASSERT_TRUE(file.ok());
  MemoryFileWriter writer(*memory, *file, /*keep_zeros=*/false);
  ASSERT_TRUE(writer.Begin().ok());
  ASSERT_TRUE(writer.Write(*OwnPages(*memory)).ok());
  Fill(*memory, {{0, 0}, {5, 9}, {64, 10}});
  PageSet dirty(kPages);
  for (const uint64_t page : {0, 5, 64}) dirty.Add(page);
  ASSERT_TRUE(writer.Write(dirty).ok());
  ASSERT_TRUE(writer.Finish(IdOf(1)).ok());
  const absl::StatusOr<MemoryIndex> index = DecodeMemory(writer.State());
  ASSERT_TRUE(index.ok());
  EXPECT_TRUE(VerifyMemoryFile(*file, *index).ok());
  const std::unique_ptr<GuestMemory> read = NewMemory();
  ASSERT_TRUE(ReadMemory(*file, *index, *read).ok());
  EXPECT_EQ(ContentOf(*read), ContentOf(*memory));
}

TEST_F(SnapshotTest, FlippedBitsOfMemoryAreFound) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  for (const uint64_t page : {0, 63, 64, 100, 101, 199}) {
    std::fstream file(Path("a/memory"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<off_t>(page * kGuestPageSize + 4000));
    file.put('\1');
    file.close();
    EXPECT_THAT(Read(Path("a")).status().message(), HasSubstr("damaged: checksum")) << page;
    std::fstream again(Path("a/memory"), std::ios::in | std::ios::out | std::ios::binary);
    again.seekp(static_cast<off_t>(page * kGuestPageSize + 4000));
    again.put('\0');
    again.close();
    EXPECT_TRUE(Read(Path("a")).ok());
  }
}

TEST_F(SnapshotTest, LayersLieOnTheirParents) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
  ASSERT_TRUE(Save(healthy_, Path("b"), 2, second_, Path("a"), 1).ok());
  Content both = first_;
  for (const auto& [page, word] : second_) both[page] = word;
  for (const MemoryLoad load : {MemoryLoad::kEager, MemoryLoad::kMapped}) {
    const auto read = Read(Path("b"), load);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->second, both);
  }
  ASSERT_TRUE(Save(healthy_, Path("a"), 3, first_).ok());
  EXPECT_THAT(Read(Path("b")).status().message(), HasSubstr("it was replaced since"));
  std::filesystem::remove_all(Path("a"));
  EXPECT_THAT(Read(Path("b")).status().message(), HasSubstr("parent of"));
}

TEST_F(SnapshotTest, ChainThatDoesNotEnd) {
  ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_, Path("a"), 1).ok());
  EXPECT_THAT(Read(Path("a")).status().message(), HasSubstr("lies on more than"));
}

TEST_F(SnapshotTest, WhatIsNoFile) {
  std::filesystem::create_directories(Path("a/state"));
  EXPECT_EQ(GetErrno(Read(Path("a")).status()), EISDIR);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(GetErrno(Read(Path("fifo")).status()), ESPIPE);
}

// A save over an older snapshot, of which the n-th call fails or is not made any more: what is
// there afterwards is whole.
TEST_F(SnapshotTest, SaveThatFailsAnywhere) {
  for (const int error : {ENOSPC, EDQUOT, EIO, EMFILE}) {
    for (int n = 0;; ++n) {
      std::filesystem::remove_all(Path("a"));
      ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
      testing::FailingFileCalls calls;
      calls.FailAt(n, error);
      const absl::Status status = Save(calls, Path("a"), 2, second_);
      const auto read = Read(Path("a"));
      ASSERT_TRUE(read.ok()) << "call " << n << ": " << read.status();
      EXPECT_EQ(read->second, read->first == 1 ? first_ : second_) << "call " << n;
      if (status.ok()) {
        EXPECT_EQ(read->first, 2) << "call " << n;
      }
      if (!calls.has_failed()) break;
      ASSERT_LT(n, 1000);
    }
  }
}

TEST_F(SnapshotTest, SaveThatIsKilledAnywhere) {
  for (int n = 0;; ++n) {
    std::filesystem::remove_all(Path("a"));
    ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
    testing::FailingFileCalls calls;
    calls.KillAt(n);
    Save(calls, Path("a"), 2, second_).IgnoreError();
    const auto read = Read(Path("a"));
    ASSERT_TRUE(read.ok()) << "call " << n << ": " << read.status();
    EXPECT_EQ(read->second, read->first == 1 ? first_ : second_) << "call " << n;
    if (!calls.has_failed()) break;
    // The next save works, and leaves nothing of the killed one.
    ASSERT_TRUE(Save(healthy_, Path("a"), 3, first_).ok()) << "call " << n;
    EXPECT_EQ(Read(Path("a"))->first, 3);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Path("a")), {}), 2) << "call " << n;
    ASSERT_LT(n, 1000);
  }
}

// Killed at call n, and the next save fails at call m: still whole.
TEST_F(SnapshotTest, SaveThatFailsAfterOneThatWasKilled) {
  for (int n = 0;; ++n) {
    std::filesystem::remove_all(Path("killed"));
    ASSERT_TRUE(Save(healthy_, Path("killed"), 1, first_).ok());
    testing::FailingFileCalls kill;
    kill.KillAt(n);
    Save(kill, Path("killed"), 2, second_).IgnoreError();
    for (int m = 0;; ++m) {
      std::filesystem::remove_all(Path("a"));
      std::filesystem::copy(Path("killed"), Path("a"));
      testing::FailingFileCalls fail;
      fail.FailAt(m, EIO);
      Save(fail, Path("a"), 3, first_).IgnoreError();
      const auto read = Read(Path("a"));
      ASSERT_TRUE(read.ok()) << "calls " << n << " and " << m << ": " << read.status();
      EXPECT_EQ(read->second, read->first == 2 ? second_ : first_);
      if (!fail.has_failed()) break;
    }
    if (!kill.has_failed()) break;
  }
}

// The same with a path that has no folder.
TEST_F(SnapshotTest, SaveAfterOneThatWasKilledByBareName) {
  const std::filesystem::path before = std::filesystem::current_path();
  for (int n = 0;; ++n) {
    std::filesystem::remove_all(Path("a"));
    ASSERT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
    testing::FailingFileCalls kill;
    kill.KillAt(n);
    Save(kill, Path("a"), 2, second_).IgnoreError();
    std::filesystem::current_path(Path("a"));
    SnapshotWriter::Begin(SystemFileCalls(), {"state", "memory"}, IdOf(3)).status().IgnoreError();
    std::filesystem::current_path(before);
    EXPECT_TRUE(Read(Path("a")).ok()) << "call " << n;
    if (!kill.has_failed()) break;
  }
}

TEST_F(SnapshotTest, TwoSavesToOneName) {
  const SnapshotPaths paths = SnapshotPaths::InFolder(folder_);
  const auto one = SnapshotWriter::Begin(SystemFileCalls(), paths, IdOf(1));
  ASSERT_TRUE(one.ok());
  const auto two = SnapshotWriter::Begin(SystemFileCalls(), paths, IdOf(2));
  ASSERT_TRUE(two.ok());
  EXPECT_TRUE(std::filesystem::exists((*one)->memory().path()));
}

TEST_F(SnapshotTest, StateAndMemoryAreTwoFiles) {
  EXPECT_EQ(
      SnapshotWriter::Begin(SystemFileCalls(), {Path("x"), Path("x")}, IdOf(1)).status().code(),
      absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace firn
