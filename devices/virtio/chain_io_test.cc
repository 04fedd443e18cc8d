// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/chain_io.h"

#include <gtest/gtest.h>

#include "devices/virtio/testing/driver_queue.h"
#include "devices/virtio/virtqueue.h"

namespace firn::virtio {
namespace {

using testing::kBufferBase;

class ChainIoTest : public ::testing::Test {
 protected:
  ChainIoTest() {
    testing::WriteString(*memory_, kBufferBase, "abcdefgh");
    testing::DriverQueue driver(*memory_, 8);
    driver.Add({{kBufferBase, 3, false},
                {kBufferBase + 3, 5, false},
                {kBufferBase + 0x100, 1, true},
                {kBufferBase + 0x200, 4, true}});
    Virtqueue queue(*memory_, *SplitRings::Create(*memory_, driver.settings(), 8), 0, 8);
    chain_.emplace(**queue.Pop());
  }
  std::string Read(uint64_t offset, size_t size) {
    std::string text(size, '.');
    if (!CopyFromChain(*chain_, offset,
                       absl::MakeSpan(reinterpret_cast<std::byte*>(text.data()), size))) {
      return "refused " + text;
    }
    return text;
  }
  bool Write(uint64_t offset, std::string_view text) {
    return CopyToChain(*chain_, offset,
                       {reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }

  std::unique_ptr<GuestMemory> memory_ = testing::MakeMemory();
  std::optional<DescriptorChain> chain_;
};

TEST_F(ChainIoTest, ReadsAcrossBuffersAndNotBeyond) {
  EXPECT_EQ(Read(0, 8), "abcdefgh");
  EXPECT_EQ(Read(2, 2), "cd");
  EXPECT_EQ(Read(3, 1), "d");
  EXPECT_EQ(Read(8, 0), "");
  EXPECT_EQ(Read(0, 9), "refused .........");
  EXPECT_EQ(Read(8, 1), "refused .");
  EXPECT_EQ(Read(~0ull, 1), "refused .");
}

TEST_F(ChainIoTest, WritesAcrossBuffersAndNotBeyond) {
  EXPECT_TRUE(Write(0, "12345"));
  EXPECT_EQ(testing::ReadString(*memory_, kBufferBase + 0x100, 1), "1");
  EXPECT_EQ(testing::ReadString(*memory_, kBufferBase + 0x200, 4), "2345");
  EXPECT_FALSE(Write(1, "12345"));
  EXPECT_FALSE(Write(6, ""));
  EXPECT_TRUE(Write(4, "x"));
  EXPECT_EQ(testing::ReadString(*memory_, kBufferBase + 0x200, 5), std::string("234x\0", 5));
}

TEST_F(ChainIoTest, SlicesAreCutOffAtTheEnd) {
  const IoVectors slice = ReadableSlice(*chain_, 2, 100);
  ASSERT_EQ(slice.size(), 2u);
  EXPECT_EQ(slice[0].iov_len, 1u);
  EXPECT_EQ(slice[1].iov_len, 5u);
  EXPECT_TRUE(ReadableSlice(*chain_, 8, 1).empty());
  ASSERT_EQ(WritableSlice(*chain_, 1, 2).size(), 1u);
  EXPECT_EQ(WritableSlice(*chain_, 1, 2)[0].iov_len, 2u);
}

}  // namespace
}  // namespace firn::virtio
