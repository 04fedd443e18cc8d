// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/rng/rng_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "devices/virtio/testing/mmio_driver.h"

namespace firn::virtio {
namespace {

using ::testing::HasSubstr;
using testing::kBufferBase;

// Counts up from 'a', or fails.
class FakeEntropy final : public EntropySource {
 public:
  absl::Status Fill(absl::Span<std::byte> data) override {
    last = data.data();
    for (std::byte& byte : data) byte = std::byte{static_cast<uint8_t>('a' + count++ % 26)};
    return status;
  }
  absl::Status status;
  size_t count = 0;
  const std::byte* last = nullptr;
};

class RngDeviceTest : public ::testing::Test {
 protected:
  FakeEntropy entropy_;
  RngDevice device_{entropy_};
  testing::MmioDriver driver_{device_};
};

TEST_F(RngDeviceTest, FillsEveryBuffer) {
  driver_.Start(0);
  driver_.queue(0).Add({{kBufferBase, 3, true}, {kBufferBase + 0x100, 2, true}});
  driver_.queue(0).Add({{kBufferBase + 0x200, 1, true}});
  driver_.Kick(0);
  EXPECT_EQ(testing::ReadString(driver_.memory(), kBufferBase, 3), "abc");
  EXPECT_EQ(testing::ReadString(driver_.memory(), kBufferBase + 0x100, 2), "de");
  EXPECT_EQ(testing::ReadString(driver_.memory(), kBufferBase + 0x200, 1), "f");
  EXPECT_EQ(driver_.queue(0).used(0).length, 5u);
  EXPECT_EQ(driver_.interrupt().count(), 1);  // one for both
  EXPECT_EQ(device_.counters().Snapshot().bytes_read, 6u);
}

TEST_F(RngDeviceTest, AHugeRequestIsBounded) {
  driver_.Start(0, 64);
  // 16 times the same 256 KiB.
  driver_.queue(0).Add(std::vector<testing::Buffer>(16, {kBufferBase, 0x4'0000, true}));
  driver_.Kick(0);
  EXPECT_EQ(driver_.queue(0).used(0).length, RngDevice::kMaxBytes);
  EXPECT_EQ(entropy_.count, RngDevice::kMaxBytes);
}

// A page of it may be lost, and getrandom(2) fails for such a page.
TEST_F(RngDeviceTest, TheSourceIsNotGivenGuestMemory) {
  driver_.Start(0);
  driver_.queue(0).Add({{kBufferBase, 8, true}});
  driver_.Kick(0);
  ASSERT_NE(entropy_.last, nullptr);
  for (const GuestMemoryRegion& region : driver_.memory().regions()) {
    EXPECT_TRUE(entropy_.last < region.host || entropy_.last >= region.host + region.range.size());
  }
}

TEST_F(RngDeviceTest, ARequestWithoutRoomNeedsAReset) {
  driver_.Start(0);
  driver_.queue(0).Add({{kBufferBase, 8, false}});
  driver_.Kick(0);
  EXPECT_TRUE(driver_.Read(MmioRegister::kStatus) & kNeedsReset);
  EXPECT_EQ(driver_.queue(0).used_index(), 0);
}

TEST_F(RngDeviceTest, ASourceThatFailsNeedsAResetAndWorksAgainAfterIt) {
  driver_.Start(0);
  entropy_.status = absl::UnavailableError("no entropy");
  driver_.queue(0).Add({{kBufferBase, 8, true}});
  driver_.Kick(0);
  EXPECT_TRUE(driver_.Read(MmioRegister::kStatus) & kNeedsReset);
  EXPECT_THAT(driver_.transport().last_failure().message(), HasSubstr("no entropy"));
  entropy_.status = absl::OkStatus();
  driver_.Write(MmioRegister::kStatus, 0);
  driver_.Start(0);
  driver_.queue(0).Add({{kBufferBase, 8, true}});
  driver_.Kick(0);
  EXPECT_EQ(driver_.queue(0).used_index(), 1);
}

}  // namespace
}  // namespace firn::virtio
