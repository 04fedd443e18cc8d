// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/serve_queue.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "devices/virtio/testing/driver_queue.h"
#include "devices/virtio/virtqueue.h"

namespace firn::virtio {
namespace {

using testing::Buffer;
using testing::kBufferBase;
using testing::kMemoryBase;

class Notifier final : public DriverNotifier {
 public:
  void NotifyUsedBuffers() override { ++interrupts; }
  void NotifyNeedsReset(const absl::Status&) override { ++failures; }

  int interrupts = 0;
  int failures = 0;
};

class ServeQueueTest : public ::testing::Test {
 protected:
  ServeQueueTest() {
    std::vector<std::optional<Virtqueue>> queues;
    queues.emplace_back(std::in_place, *memory_,
                        *SplitRings::Create(*memory_, driver_.settings(), kSize),
                        kFeatureIndirectDescriptors, kSize);
    queues_ = ActiveQueues(0, std::move(queues), notifier_);
  }

  // True where more wait.
  bool Serve() {
    return ServeQueue(queues_, 0, counters_,
                      [this](const DescriptorChain&) -> absl::StatusOr<std::optional<uint32_t>> {
                        if (served_ == can_serve_) return std::nullopt;
                        ++served_;
                        return 0;
                      });
  }

  static constexpr uint16_t kSize = 128;
  std::unique_ptr<GuestMemory> memory_ = testing::MakeMemory();
  testing::DriverQueue driver_{*memory_, kSize};
  Notifier notifier_;
  ActiveQueues queues_;
  DeviceCounters counters_;
  int served_ = 0;
  int can_serve_ = 1000;
};

TEST_F(ServeQueueTest, OneInterruptForAllThatWait) {
  for (int i = 0; i < 5; ++i) driver_.Add({{kBufferBase, 16, true}});
  EXPECT_FALSE(Serve());
  EXPECT_EQ(served_, 5);
  EXPECT_EQ(notifier_.interrupts, 1);
  EXPECT_FALSE(Serve());
  EXPECT_EQ(notifier_.interrupts, 1);
}

TEST_F(ServeQueueTest, WhatCannotBeServedStays) {
  can_serve_ = 2;
  for (int i = 0; i < 5; ++i) driver_.Add({{kBufferBase, 16, true}});
  EXPECT_FALSE(Serve());
  EXPECT_EQ(driver_.used_index(), 2);
  EXPECT_EQ(notifier_.interrupts, 1);
  EXPECT_FALSE(Serve());
  EXPECT_EQ(driver_.used_index(), 2);
  EXPECT_EQ(notifier_.interrupts, 1);
  EXPECT_EQ(counters_.requests.value(), 2u);

  can_serve_ = 1000;
  EXPECT_FALSE(Serve());
  EXPECT_EQ(served_, 5);
  EXPECT_EQ(driver_.used_index(), 5);
  EXPECT_EQ(notifier_.interrupts, 2);
  EXPECT_EQ(notifier_.failures, 0);
}

// One chain may have the same memory again and again: few of them are a lot of work.
TEST_F(ServeQueueTest, LargeChainsEndAPass) {
  constexpr uint32_t kHalf = 1 << 19;
  const std::vector<Buffer> large(kMaxBytesPerPass / 2 / kHalf, {kBufferBase, kHalf, true});
  for (int i = 0; i < 5; ++i) {
    driver_.AddIndirect(large, kMemoryBase + 0x40000);
  }
  EXPECT_TRUE(Serve());
  EXPECT_EQ(served_, 2);
  EXPECT_EQ(driver_.used_index(), 2);
  EXPECT_EQ(notifier_.interrupts, 1);
  EXPECT_TRUE(Serve());
  EXPECT_EQ(served_, 4);
  EXPECT_FALSE(Serve());
  EXPECT_EQ(served_, 5);
  EXPECT_EQ(driver_.used_index(), 5);
  EXPECT_EQ(notifier_.failures, 0);
}

}  // namespace
}  // namespace firn::virtio
