// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/blk/disk_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "devices/virtio/blk/disk_io.h"
#include "devices/virtio/blk/fake_disk_file.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using virtio::IoVectors;

class OpenDiskTest : public ::testing::Test {
 protected:
  OpenDiskTest() {
    std::string name = ::testing::TempDir() + "/diskXXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~OpenDiskTest() override {
    const int result = system(("rm -rf " + folder_).c_str());
    (void)result;
  }
  std::string MakeFile(size_t size) {
    const std::string path = folder_ + "/disk";
    std::ofstream(path, std::ios::trunc) << std::string(size, 'd');
    return path;
  }
  std::string folder_;
};

TEST_F(OpenDiskTest, OpensReadsWritesAndSyncs) {
  auto disk = OpenDisk(MakeFile(1024), false);
  ASSERT_TRUE(disk.ok()) << disk.status();
  EXPECT_EQ(disk->size, 1024u);
  EXPECT_FALSE(disk->read_only);
  std::string text = "new";
  ASSERT_TRUE(WriteAll(*disk->file, IoVectors{{text.data(), 3}}, 512).ok());
  std::string back(5, '.');
  ASSERT_TRUE(ReadAll(*disk->file, IoVectors{{back.data(), 2}, {back.data() + 2, 3}}, 511).ok());
  EXPECT_EQ(back, "dnewd");
  EXPECT_TRUE(SyncAll(*disk->file).ok());
  // Whether or not this file system can do it in one go.
  EXPECT_TRUE(WriteZeroes(*disk->file, 0, 1024, true).ok());
  ASSERT_TRUE(ReadAll(*disk->file, IoVectors{{back.data(), 5}}, 511).ok());
  EXPECT_EQ(back, std::string(5, '\0'));
  EXPECT_TRUE(Discard(*disk->file, 0, 512).ok());
}

TEST_F(OpenDiskTest, RefusesWhatIsNoDisk) {
  const auto error = [](const std::string& path) { return OpenDisk(path, false).status(); };
  EXPECT_EQ(error(folder_ + "/none").code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(error(folder_ + "/none").message(), HasSubstr("/none"));
  EXPECT_THAT(error(folder_).message(), HasSubstr("is a folder"));
  EXPECT_THAT(OpenDisk(folder_, true).status().message(), HasSubstr("is a folder"));
  EXPECT_THAT(error(MakeFile(0)).message(), HasSubstr("is empty"));
  EXPECT_THAT(error(MakeFile(513)).message(), HasSubstr("513 bytes, not a multiple of 512"));
  EXPECT_THAT(error(MakeFile(511)).message(), HasSubstr("truncate"));
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error(pipe).message(), HasSubstr("neither a regular file"));
  EXPECT_THAT(OpenDisk(pipe, true).status().message(), HasSubstr("neither a regular file"));
  EXPECT_EQ(OpenDisk("/dev/null", true).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(OpenDiskTest, AnUnwritableFileOpensReadOnlyOnly) {
  const std::string path = MakeFile(512);
  ASSERT_EQ(chmod(path.c_str(), 0444), 0);
  if (geteuid() != 0) {  // root may write all the same
    const absl::Status status = OpenDisk(path, false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(), HasSubstr("read-only"));
  }
  auto disk = OpenDisk(path, true);
  ASSERT_TRUE(disk.ok()) << disk.status();
  EXPECT_TRUE(disk->read_only);
  std::string text = "x";
  EXPECT_FALSE(WriteAll(*disk->file, IoVectors{{text.data(), 1}}, 0).ok());
}

TEST_F(OpenDiskTest, OneWriterOrManyReaders) {
  const std::string path = MakeFile(512);
  {
    auto writer = OpenDisk(path, false);
    ASSERT_TRUE(writer.ok());
    for (const bool read_only : {false, true}) {
      const absl::Status status = OpenDisk(path, read_only).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(status.message(), HasSubstr("in use"));
    }
  }
  auto first = OpenDisk(path, true);
  auto second = OpenDisk(path, true);
  EXPECT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(OpenDisk(path, false).ok());
}

class DiskIoTest : public ::testing::Test {
 protected:
  testing::FakeDisk disk_ = [] {
    testing::FakeDisk disk;
    disk.content = "0123456789";
    return disk;
  }();
  testing::FakeDiskFile file_{disk_};
  std::string buffer_ = std::string(10, '.');
};

TEST_F(DiskIoTest, ShortTransfersGoOnWhereTheyStopped) {
  disk_.most = 3;
  ASSERT_TRUE(ReadAll(file_, IoVectors{{buffer_.data(), 2}, {buffer_.data() + 2, 6}}, 1).ok());
  EXPECT_EQ(buffer_, "12345678..");
  EXPECT_THAT(disk_.calls, ElementsAre("read 1+8", "read 4+5", "read 7+2"));
  ASSERT_TRUE(WriteAll(file_, IoVectors{{buffer_.data(), 4}, {buffer_.data() + 4, 1}}, 0).ok());
  EXPECT_EQ(disk_.content, "1234556789");
}

TEST_F(DiskIoTest, InterruptedCallsAreTriedAgain) {
  disk_.errors = {EINTR, EINTR};
  EXPECT_TRUE(ReadAll(file_, IoVectors{{buffer_.data(), 10}}, 0).ok());
  EXPECT_EQ(buffer_, "0123456789");
  disk_.errors = {EINTR};
  EXPECT_TRUE(WriteAll(file_, IoVectors{{buffer_.data(), 1}}, 9).ok());
  disk_.errors = {EINTR};
  EXPECT_TRUE(SyncAll(file_).ok());
  disk_.errors = {EINTR};
  EXPECT_TRUE(Discard(file_, 0, 1).ok());
}

TEST_F(DiskIoTest, OtherErrorsEndTheTransfer) {
  disk_.errors = {EIO};
  EXPECT_EQ(GetErrno(ReadAll(file_, IoVectors{{buffer_.data(), 10}}, 0)), EIO);
  disk_.errors = {0, ENOSPC};
  disk_.most = 5;
  EXPECT_EQ(GetErrno(WriteAll(file_, IoVectors{{buffer_.data(), 10}}, 0)), ENOSPC);
  disk_.errors = {EIO};
  EXPECT_EQ(GetErrno(SyncAll(file_)), EIO);
  disk_.errors = {EIO};
  EXPECT_EQ(GetErrno(Discard(file_, 0, 1)), EIO);
  disk_.errors = {ENOSPC};
  EXPECT_EQ(GetErrno(WriteZeroes(file_, 0, 1, false)), ENOSPC);
}

TEST_F(DiskIoTest, AFileThatShrankIsAnErrorAndNoLoop) {
  EXPECT_EQ(ReadAll(file_, IoVectors{{buffer_.data(), 10}}, 5).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(WriteAll(file_, IoVectors{{buffer_.data(), 10}}, 10).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(DiskIoTest, ZeroesAreWrittenWhereTheFileSystemCannotDoBetter) {
  disk_.content = std::string(200'000, 'x');
  disk_.punch_error = EOPNOTSUPP;
  disk_.zero_error = EINVAL;  // of a block device with sectors of 4096 bytes
  EXPECT_TRUE(WriteZeroes(file_, 10, 150'000, true).ok());
  EXPECT_EQ(disk_.content, std::string(10, 'x') + std::string(150'000, '\0') +
                               std::string(200'000 - 150'010, 'x'));
  EXPECT_THAT(disk_.calls, ElementsAre("punch 10+150000", "zero 10+150000", "write 10+65536",
                                       "write 65546+65536", "write 131082+18928"));
  disk_.calls.clear();
  disk_.zero_error = 0;
  EXPECT_TRUE(WriteZeroes(file_, 0, 5, false).ok());
  EXPECT_THAT(disk_.calls, ElementsAre("zero 0+5"));
  disk_.calls.clear();
  EXPECT_TRUE(Discard(file_, 150'020, 5).ok());  // a hint
  EXPECT_THAT(disk_.calls, ElementsAre("punch 150020+5"));
  EXPECT_EQ(disk_.content[150'020], 'x');
}

}  // namespace
}  // namespace firn
