// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "devices/virtio/blk/block_device.h"
#include "devices/virtio/blk/block_state.pb.h"
#include "devices/virtio/blk/fake_disk_file.h"
#include "devices/virtio/testing/virtio_under_test.h"

namespace firn::virtio {
namespace {

using firn::testing::FakeDisk;
using firn::testing::FakeDiskFile;
using ::testing::HasSubstr;
using testing::kBufferBase;

constexpr uint64_t kSize = 64 * kSectorSize;

std::unique_ptr<BlockDevice> MakeBlock(FakeDisk& disk, uint64_t size = kSize,
                                       bool read_only = false, std::string_view serial = "root") {
  disk.content.resize(size, 'd');
  return std::make_unique<BlockDevice>(
      Disk{.file = std::make_unique<FakeDiskFile>(disk), .size = size, .read_only = read_only},
      serial);
}

// There before the device.
struct HasDisk {
  FakeDisk disk;
};

class BlockUnderTest : private HasDisk, public testing::VirtioUnderTest<BlockDevice> {
 public:
  BlockUnderTest() : VirtioUnderTest(MakeBlock(disk)) {}

  void Drive() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(kBlockFlush | kFeatureEventIndex | kFeatureIndirectDescriptors, 16);
    Request(BlockRequestType::kOut, 3);
    Request(BlockRequestType::kFlush, 0);
  }
  void Clobber() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(0, 8);
    Request(BlockRequestType::kIn, 1);
  }
  std::string GoOn() {
    std::string seen = Look();
    for (int i = 0; i < 7; ++i) {
      const size_t calls = disk.calls.size();
      seen += Request(i % 2 == 0 ? BlockRequestType::kOut : BlockRequestType::kIn, i) + Look();
      // A write is followed by a sync only where FLUSH was not negotiated.
      seen += std::to_string(disk.calls.size() - calls);
    }
    return seen;
  }

 protected:
  std::unique_ptr<BlockDevice> MakeDevice() override { return MakeBlock(disk); }

 private:
  // One sector; returns the status byte.
  std::string Request(BlockRequestType type, int sector) {
    GuestMemory& memory = driver().memory();
    EXPECT_TRUE(memory
                    .Store<BlockRequestHeader>(
                        GuestAddress(kBufferBase),
                        {static_cast<uint32_t>(type), 0, static_cast<uint64_t>(sector)})
                    .ok());
    testing::WriteString(memory, kBufferBase + 0x10, "?");
    const bool reads = type == BlockRequestType::kIn;
    driver().queue(0).Add({{kBufferBase, 16, false},
                           {kBufferBase + 0x1000, kSectorSize, reads},
                           {kBufferBase + 0x10, 1, true}});
    driver().Kick(0);
    return testing::ReadString(memory, kBufferBase + 0x10, 1);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Block, SaveRestoreTest, BlockUnderTest);

absl::Status RestoreInto(BlockDevice& device, const state::Block& state) {
  return device.RestoreDevice(state.SerializeAsString(), ActiveQueues());
}

TEST(BlockStateTest, SaysWhichDiskTheGuestHas) {
  FakeDisk disk;
  state::Block state;
  ASSERT_TRUE(state.ParseFromString(MakeBlock(disk, kSize, true, "data")->SaveDevice()));
  EXPECT_EQ(state.size_bytes(), kSize);
  EXPECT_TRUE(state.read_only());
  EXPECT_EQ(state.serial_id(), "data");
  // 20 bytes are all that GET_ID tells.
  const std::string longest(30, 'x');
  ASSERT_TRUE(state.ParseFromString(MakeBlock(disk, kSize, true, longest)->SaveDevice()));
  EXPECT_EQ(state.serial_id(), std::string(20, 'x'));
  EXPECT_TRUE(RestoreInto(*MakeBlock(disk, kSize, true, longest), state).ok());
}

TEST(BlockStateTest, AnotherDiskIsRefused) {
  FakeDisk disk;
  state::Block state;
  ASSERT_TRUE(state.ParseFromString(MakeBlock(disk)->SaveDevice()));
  EXPECT_TRUE(RestoreInto(*MakeBlock(disk), state).ok());

  absl::Status status = RestoreInto(*MakeBlock(disk, kSize / 2), state);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(),
              HasSubstr("disk \"root\" was 32768 bytes when the snapshot was made, now 16384"));
  status = RestoreInto(*MakeBlock(disk, kSize, true), state);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(),
              HasSubstr("was writable when the snapshot was made, now read-only"));
  status = RestoreInto(*MakeBlock(disk, kSize, false, "data"), state);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("disk \"data\" was disk \"root\" when"));
}

TEST(BlockStateTest, AHostileStateIsRefused) {
  FakeDisk disk;
  const auto device = MakeBlock(disk);
  state::Block state;
  state.set_serial_id(std::string(21, 's'));
  absl::Status status = RestoreInto(*device, state);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("serial_id has 21 bytes"));
  state.set_serial_id("\x1b[2J\n");
  EXPECT_THAT(RestoreInto(*device, state).message(), HasSubstr("\\x1b[2J\\n"));
  status = device->RestoreDevice("\xff\xff", ActiveQueues());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace firn::virtio
