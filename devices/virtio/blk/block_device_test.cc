// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/blk/block_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>

#include "devices/virtio/blk/fake_disk_file.h"
#include "devices/virtio/testing/mmio_driver.h"

namespace firn::virtio {
namespace {

using firn::testing::FakeDisk;
using firn::testing::FakeDiskFile;
using testing::Buffer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kBufferBase;
using testing::MmioDriver;

constexpr uint64_t kHeader = kBufferBase;
constexpr uint64_t kStatus = kBufferBase + 0x100;
constexpr uint64_t kData = kBufferBase + 0x1000;
constexpr uint64_t kSectors = 64;
constexpr uint64_t kAllFeatures = kBlockFlush | kBlockDiscard | kBlockWriteZeroes;
constexpr char kUnanswered = 0x55;

class BlockDeviceTest : public ::testing::Test {
 protected:
  void Make(bool read_only = false, uint64_t features = kAllFeatures) {
    disk_.content.clear();
    for (uint64_t i = 0; i < kSectors; ++i) disk_.content += std::string(512, char('A' + i));
    device_.emplace(Disk{.file = std::make_unique<FakeDiskFile>(disk_),
                         .size = disk_.content.size(),
                         .read_only = read_only},
                    "firn-disk-0");
    driver_.emplace(*device_);
    driver_->Start(read_only ? features & kBlockFlush : features);
  }

  GuestMemory& memory() { return driver_->memory(); }

  // Queues a request of a header, `data` and a status.
  void Add(BlockRequestType type, uint64_t sector, const std::vector<Buffer>& data) {
    ASSERT_TRUE(memory()
                    .Store<BlockRequestHeader>(GuestAddress(kHeader),
                                               {static_cast<uint32_t>(type), 0, sector})
                    .ok());
    testing::WriteString(memory(), kStatus, std::string(1, kUnanswered));
    std::vector<Buffer> buffers = {{kHeader, 16, false}};
    buffers.insert(buffers.end(), data.begin(), data.end());
    buffers.push_back({kStatus, 1, true});
    driver_->queue(0).Add(buffers);
  }
  // What the status byte says after the kick.
  int Do(BlockRequestType type, uint64_t sector, const std::vector<Buffer>& data) {
    Add(type, sector, data);
    driver_->Kick(0);
    return Status();
  }
  int DoRanges(BlockRequestType type, const std::vector<BlockRange>& ranges) {
    for (size_t i = 0; i < ranges.size(); ++i) {
      EXPECT_TRUE(memory().Store(GuestAddress(kData + 16 * i), ranges[i]).ok());
    }
    return Do(type, 0, {{kData, static_cast<uint32_t>(16 * ranges.size()), false}});
  }
  int Status() { return testing::ReadString(memory(), kStatus, 1)[0]; }
  bool NeedsReset() { return (driver_->Read(MmioRegister::kStatus) & kNeedsReset) != 0; }

  static constexpr int kOk = 0;
  static constexpr int kIoError = 1;
  static constexpr int kUnsupported = 2;

  FakeDisk disk_;
  std::optional<BlockDevice> device_;
  std::optional<MmioDriver> driver_;
};

TEST_F(BlockDeviceTest, TellsItsConfiguration) {
  Make();
  BlockConfig config;
  device_->ReadConfig(0, absl::MakeSpan(reinterpret_cast<std::byte*>(&config), sizeof(config)));
  EXPECT_EQ(config.capacity, kSectors);
  EXPECT_EQ(config.seg_max, 254u);
  EXPECT_EQ(config.blk_size, 512u);
  EXPECT_GT(config.max_discard_sectors, 0u);
  EXPECT_EQ(driver_->OfferedFeatures(),
            kCommonFeatures | kAllFeatures | kBlockSizeMax | kBlockSegMax | kBlockBlkSize);
  Make(true);
  EXPECT_EQ(driver_->OfferedFeatures(), kCommonFeatures | kBlockReadOnly | kBlockFlush |
                                            kBlockSizeMax | kBlockSegMax | kBlockBlkSize);
}

TEST_F(BlockDeviceTest, ReadsStraightIntoTheBuffers) {
  Make();
  EXPECT_EQ(Do(BlockRequestType::kIn, 1, {{kData, 512, true}, {kData + 0x1000, 1024, true}}), kOk);
  EXPECT_EQ(testing::ReadString(memory(), kData, 512), std::string(512, 'B'));
  EXPECT_EQ(testing::ReadString(memory(), kData + 0x1000, 1024),
            std::string(512, 'C') + std::string(512, 'D'));
  EXPECT_EQ(driver_->queue(0).used(0).length, 1537u);
  EXPECT_THAT(disk_.calls, ElementsAre("read 512+1536"));  // one call for all
}

TEST_F(BlockDeviceTest, WritesStraightFromTheBuffers) {
  Make();
  testing::WriteString(memory(), kData, std::string(1024, 'w'));
  EXPECT_EQ(Do(BlockRequestType::kOut, 2, {{kData, 100, false}, {kData + 100, 924, false}}), kOk);
  EXPECT_EQ(disk_.content.substr(1024, 1024), std::string(1024, 'w'));
  EXPECT_EQ(disk_.content[1023], 'B');
  EXPECT_EQ(disk_.content[2048], 'E');
  EXPECT_EQ(driver_->queue(0).used(0).length, 1u);
  EXPECT_THAT(disk_.calls, ElementsAre("write 1024+1024"));
  EXPECT_EQ(Do(BlockRequestType::kFlush, 0, {}), kOk);
  EXPECT_EQ(disk_.calls.back(), "sync");
}

TEST_F(BlockDeviceTest, WithoutFlushTheDiskIsWriteThrough) {
  Make(false, 0);
  EXPECT_EQ(Do(BlockRequestType::kOut, 0, {{kData, 512, false}}), kOk);
  EXPECT_THAT(disk_.calls, ElementsAre("write 0+512", "sync"));
}

TEST_F(BlockDeviceTest, AnyFramingIsUnderstood) {
  Make();
  // Header in three pieces with the data behind it; data and status in one buffer.
  ASSERT_TRUE(memory().Store<BlockRequestHeader>(GuestAddress(kHeader), {0, 0, 5}).ok());
  driver_->queue(0).Add({{kHeader, 1, false},
                         {kHeader + 1, 14, false},
                         {kHeader + 15, 1, false},
                         {kData, 513, true}});
  driver_->Kick(0);
  EXPECT_EQ(testing::ReadString(memory(), kData, 513), std::string(512, 'F') + '\0');
  ASSERT_TRUE(memory().Store<BlockRequestHeader>(GuestAddress(kData), {1, 0, 6}).ok());
  testing::WriteString(memory(), kData + 16, std::string(512, 'z'));
  driver_->queue(0).Add({{kData, 528, false}, {kStatus, 1, true}});
  driver_->Kick(0);
  EXPECT_EQ(disk_.content.substr(6 * 512, 512), std::string(512, 'z'));
}

TEST_F(BlockDeviceTest, OneInterruptPerBatchAndOneDoorbellPerKick) {
  Make(false, kAllFeatures | kFeatureEventIndex);
  for (int i = 0; i < 4; ++i) Add(BlockRequestType::kIn, 0, {{kData, 512, true}});
  driver_->Kick(0);
  EXPECT_EQ(driver_->queue(0).used_index(), 4);
  EXPECT_EQ(driver_->interrupt().count(), 1);
  EXPECT_EQ(driver_->queue(0).avail_event(), 4);
  EXPECT_EQ(device_->counters().Snapshot().requests, 4u);
  EXPECT_EQ(device_->counters().Snapshot().notifications, 1u);
  EXPECT_EQ(device_->counters().Snapshot().bytes_read, 2048u);
}

TEST_F(BlockDeviceTest, GetIdGivesTheSerialPadded) {
  Make();
  EXPECT_EQ(Do(BlockRequestType::kGetId, 0, {{kData, 20, true}}), kOk);
  EXPECT_EQ(testing::ReadString(memory(), kData, 20),
            std::string("firn-disk-0") + std::string(9, '\0'));
  EXPECT_EQ(Do(BlockRequestType::kGetId, 0, {{kData, 19, true}}), kIoError);
}

// Family F of the bad inputs.
TEST_F(BlockDeviceTest, AccessesBeyondTheEndAreErrorsAndTouchNothing) {
  Make();
  const uint64_t bad[] = {kSectors, kSectors + 1, ~0ull, ~0ull / 512, 1ull << 55, kSectors - 1};
  for (const uint64_t sector : bad) {
    EXPECT_EQ(Do(BlockRequestType::kIn, sector, {{kData, 1024, true}}), kIoError) << sector;
    EXPECT_EQ(Do(BlockRequestType::kOut, sector, {{kData, 1024, false}}), kIoError) << sector;
  }
  EXPECT_THAT(disk_.calls, IsEmpty());
  EXPECT_EQ(Do(BlockRequestType::kIn, kSectors - 1, {{kData, 512, true}}), kOk);
  EXPECT_EQ(Do(BlockRequestType::kIn, kSectors, {}), kOk);  // nothing, at the very end
}

TEST_F(BlockDeviceTest, DataIsWholeSectors) {
  Make();
  for (const uint32_t size : {1u, 511u, 513u}) {
    EXPECT_EQ(Do(BlockRequestType::kIn, 0, {{kData, size, true}}), kIoError);
    EXPECT_EQ(Do(BlockRequestType::kOut, 0, {{kData, size, false}}), kIoError);
  }
  EXPECT_THAT(disk_.calls, IsEmpty());
}

TEST_F(BlockDeviceTest, AShortHeaderIsAnError) {
  Make();
  for (const uint32_t size : {1u, 15u}) {
    testing::WriteString(memory(), kStatus, std::string(1, kUnanswered));
    driver_->queue(0).Add({{kHeader, size, false}, {kStatus, 1, true}});
    driver_->Kick(0);
    EXPECT_EQ(Status(), kIoError);
  }
  testing::WriteString(memory(), kStatus, std::string(1, kUnanswered));
  driver_->queue(0).Add({{kStatus, 1, true}});  // none at all
  driver_->Kick(0);
  EXPECT_EQ(Status(), kIoError);
  EXPECT_FALSE(NeedsReset());
}

TEST_F(BlockDeviceTest, ARequestWithoutAStatusByteNeedsAReset) {
  Make();
  ASSERT_TRUE(memory().Store<BlockRequestHeader>(GuestAddress(kHeader), {1, 0, 0}).ok());
  driver_->queue(0).Add({{kHeader, 16, false}, {kData, 512, false}});
  driver_->Kick(0);
  EXPECT_TRUE(NeedsReset());
  EXPECT_THAT(disk_.calls, IsEmpty());
}

TEST_F(BlockDeviceTest, UnknownTypesAreUnsupported) {
  Make();
  for (const uint32_t type : {2u, 3u, 5u, 12u, 14u, 0x8000'0000u, ~0u}) {
    EXPECT_EQ(Do(BlockRequestType{type}, 0, {}), kUnsupported) << type;
  }
}

TEST_F(BlockDeviceTest, AFlushWithDataFlushes) {
  Make();
  EXPECT_EQ(Do(BlockRequestType::kFlush, 77, {{kData, 512, false}}), kOk);
  EXPECT_THAT(disk_.calls, ElementsAre("sync"));
}

TEST_F(BlockDeviceTest, AReadOnlyDiskTakesNoWrites) {
  Make(true);
  EXPECT_EQ(Do(BlockRequestType::kOut, 0, {{kData, 512, false}}), kIoError);
  EXPECT_EQ(DoRanges(BlockRequestType::kDiscard, {{0, 8, 0}}), kUnsupported);
  EXPECT_EQ(DoRanges(BlockRequestType::kWriteZeroes, {{0, 8, 0}}), kUnsupported);
  EXPECT_THAT(disk_.calls, IsEmpty());
  EXPECT_EQ(Do(BlockRequestType::kIn, 0, {{kData, 512, true}}), kOk);
}

TEST_F(BlockDeviceTest, FaultsOfTheFileAreErrorsOfTheRequestAlone) {
  Make();
  disk_.errors = {EIO};
  EXPECT_EQ(Do(BlockRequestType::kIn, 0, {{kData, 512, true}}), kIoError);
  disk_.errors = {ENOSPC};
  EXPECT_EQ(Do(BlockRequestType::kOut, 0, {{kData, 512, false}}), kIoError);
  disk_.errors = {EIO};
  EXPECT_EQ(Do(BlockRequestType::kFlush, 0, {}), kIoError);
  disk_.content.resize(100);  // the file shrinks
  EXPECT_EQ(Do(BlockRequestType::kIn, 0, {{kData, 512, true}}), kIoError);
  disk_.content.resize(kSectors * 512);
  disk_.errors = {EINTR};
  disk_.most = 100;  // short reads
  EXPECT_EQ(Do(BlockRequestType::kIn, 0, {{kData, 512, true}}), kOk);
  EXPECT_FALSE(NeedsReset());
  EXPECT_EQ(device_->counters().Snapshot().errors, 4u);
}

// Discard and write zeroes (section 5.2.6).
TEST_F(BlockDeviceTest, ClearsRanges) {
  Make();
  EXPECT_EQ(DoRanges(BlockRequestType::kDiscard, {{0, 8, 0}, {16, 1, 0}}), kOk);
  EXPECT_THAT(disk_.calls, ElementsAre("punch 0+4096", "punch 8192+512"));
  disk_.calls.clear();
  EXPECT_EQ(DoRanges(BlockRequestType::kWriteZeroes, {{32, 2, 0}, {40, 2, kRangeUnmap}}), kOk);
  EXPECT_THAT(disk_.calls, ElementsAre("zero 16384+1024", "punch 20480+1024"));
  EXPECT_EQ(disk_.content.substr(32 * 512, 1024), std::string(1024, '\0'));
  EXPECT_EQ(DoRanges(BlockRequestType::kDiscard, {{kSectors, 0, 0}}), kOk);
}

TEST_F(BlockDeviceTest, MalformedRangesAreRefusedBeforeAnythingIsCleared) {
  Make();
  using Type = BlockRequestType;
  EXPECT_EQ(DoRanges(Type::kDiscard, {{0, 8, 0}, {kSectors, 1, 0}}), kIoError);
  EXPECT_EQ(DoRanges(Type::kDiscard, {{~0ull, 1, 0}}), kIoError);
  EXPECT_EQ(DoRanges(Type::kDiscard, {{0, ~0u, 0}}), kIoError);
  EXPECT_EQ(DoRanges(Type::kDiscard, {{~0ull / 512, ~0u, 0}}), kIoError);
  EXPECT_EQ(DoRanges(Type::kDiscard, {{0, 8, kRangeUnmap}}), kUnsupported);
  EXPECT_EQ(DoRanges(Type::kWriteZeroes, {{0, 8, 2}}), kUnsupported);
  EXPECT_EQ(DoRanges(Type::kWriteZeroes, {{0, 8, 0}, {0, 8, ~0u}}), kUnsupported);
  EXPECT_EQ(DoRanges(Type::kWriteZeroes, std::vector<BlockRange>(17, {0, 1, 0})), kIoError);
  EXPECT_EQ(Do(Type::kDiscard, 0, {{kData, 15, false}}), kIoError);
  EXPECT_EQ(Do(Type::kDiscard, 0, {{kData, 17, false}}), kIoError);
  EXPECT_EQ(Do(Type::kDiscard, 0, {}), kIoError);
  EXPECT_THAT(disk_.calls, IsEmpty());
}

TEST_F(BlockDeviceTest, WhatWasNotNegotiatedIsUnsupported) {
  Make(false, 0);
  EXPECT_EQ(DoRanges(BlockRequestType::kDiscard, {{0, 8, 0}}), kUnsupported);
  EXPECT_EQ(DoRanges(BlockRequestType::kWriteZeroes, {{0, 8, 0}}), kUnsupported);
}

TEST_F(BlockDeviceTest, ALongSerialIsCutOff) {
  BlockDevice device({.file = std::make_unique<FakeDiskFile>(disk_), .size = 512},
                     "a-serial-longer-than-twenty-bytes");
  MmioDriver driver(device);
  driver.Start(0);
  ASSERT_TRUE(driver.memory().Store<BlockRequestHeader>(GuestAddress(kHeader), {8, 0, 0}).ok());
  driver.queue(0).Add({{kHeader, 16, false}, {kData, 21, true}});
  driver.Kick(0);
  EXPECT_EQ(testing::ReadString(driver.memory(), kData, 20), "a-serial-longer-than");
}

}  // namespace
}  // namespace firn::virtio
