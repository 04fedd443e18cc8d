// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/virtqueue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "devices/virtio/testing/driver_queue.h"

namespace firn::virtio {
namespace {

using testing::Buffer;
using testing::DriverQueue;
using ::testing::HasSubstr;
using testing::kBufferBase;
using testing::kMemoryBase;
using testing::kMemorySize;

constexpr uint64_t kTable = kBufferBase + 0x4'0000;
constexpr uint16_t kSize = 8;
constexpr uint16_t kMaxSize = 16;

class VirtqueueTest : public ::testing::Test {
 protected:
  Virtqueue Make(uint64_t features) {
    auto rings = SplitRings::Create(*memory_, driver_.settings(), kMaxSize);
    EXPECT_TRUE(rings.ok()) << rings.status();
    return Virtqueue(*memory_, *rings, features, kMaxSize);
  }

  std::unique_ptr<GuestMemory> memory_ = testing::MakeMemory();
  DriverQueue driver_{*memory_, kSize};
};

TEST_F(VirtqueueTest, AnEmptyQueueGivesNothing) {
  Virtqueue queue = Make(0);
  auto chain = queue.Pop();
  ASSERT_TRUE(chain.ok());
  EXPECT_FALSE(chain->has_value());
  EXPECT_FALSE(queue.TakeNeedsInterrupt());
}

TEST_F(VirtqueueTest, AChainGivesItsBuffersInOrderAndComesBack) {
  Virtqueue queue = Make(0);
  testing::WriteString(*memory_, kBufferBase, "head");
  const uint16_t head = driver_.Add({{kBufferBase, 4, false},
                                     {kBufferBase + 0x100, 8, false},
                                     {kBufferBase + 0x1000, 512, true},
                                     {kBufferBase + 0x2000, 1, true}});
  auto popped = queue.Pop();
  ASSERT_TRUE(popped.ok() && popped->has_value());
  DescriptorChain chain = **std::move(popped);
  ASSERT_EQ(chain.readable().size(), 2u);
  ASSERT_EQ(chain.writable().size(), 2u);
  EXPECT_EQ(chain.readable_size(), 12u);
  EXPECT_EQ(chain.writable_size(), 513u);
  EXPECT_EQ(static_cast<char>(chain.readable()[0][0]), 'h');
  EXPECT_EQ(chain.writable()[1].address, GuestAddress(kBufferBase + 0x2000));
  chain.writable()[0].bytes[0] = std::byte{'x'};
  EXPECT_EQ(testing::ReadString(*memory_, kBufferBase + 0x1000, 1), "x");
  queue.Return(std::move(chain), 513);
  EXPECT_EQ(driver_.used_index(), 1);
  EXPECT_EQ(driver_.used(0).id, head);
  EXPECT_EQ(driver_.used(0).length, 513u);
}

TEST_F(VirtqueueTest, AChainThatIsPutBackComesAgain) {
  Virtqueue queue = Make(0);
  const uint16_t first = driver_.Add({{kBufferBase, 5, false}});
  driver_.Add({{kBufferBase + 0x100, 6, false}});
  auto popped = queue.Pop();
  ASSERT_TRUE(popped.ok() && *popped);
  queue.PutBack(**std::move(popped));
  EXPECT_FALSE(queue.IsIdle());
  EXPECT_EQ(driver_.used_index(), 0);
  auto again = queue.Pop();
  ASSERT_TRUE(again.ok() && *again);
  EXPECT_EQ((*again)->readable_size(), 5u);
  queue.Return(**std::move(again), 0);
  EXPECT_EQ(driver_.used(0).id, first);
  EXPECT_EQ((**queue.Pop()).readable_size(), 6u);
}

TEST_F(VirtqueueTest, IndicesWrapAroundAt65536) {
  Virtqueue queue = Make(kFeatureEventIndex);
  for (int i = 0; i < 65536 + 3 * kSize; ++i) {
    driver_.SetUsedEvent(static_cast<uint16_t>(i));
    driver_.Add({{kBufferBase, 1, true}});
    auto chain = queue.Pop();
    ASSERT_TRUE(chain.ok() && chain->has_value()) << i << chain.status();
    queue.Return(**std::move(chain), 1);
    ASSERT_TRUE(queue.TakeNeedsInterrupt()) << i;
  }
  EXPECT_EQ(driver_.used_index(), 3 * kSize);
}

TEST_F(VirtqueueTest, AnIndirectTableStandsForItsBuffersWhateverItsLengthUpToTheDevices) {
  Virtqueue queue = Make(kFeatureIndirectDescriptors);
  std::vector<Buffer> buffers;
  for (uint64_t i = 0; i < kMaxSize; ++i) buffers.push_back({kBufferBase + i * 64, 64, i > 2});
  driver_.AddIndirect(buffers, kTable + 8);  // tables need no alignment
  auto chain = queue.Pop();
  ASSERT_TRUE(chain.ok() && chain->has_value()) << chain.status();
  EXPECT_EQ((*chain)->readable().size(), 3u);
  EXPECT_EQ((*chain)->writable().size(), kMaxSize - 3u);
}

TEST_F(VirtqueueTest, AnIndirectDescriptorMayEndADirectChain) {
  Virtqueue queue = Make(kFeatureIndirectDescriptors);
  driver_.SetDescriptor(0, {kBufferBase, 4, kDescriptorNext, 1});
  driver_.SetDescriptor(1, {kTable, 16, kDescriptorIndirect | kDescriptorWrite, 0});
  ASSERT_TRUE(memory_->Store<Descriptor>(GuestAddress(kTable), {kBufferBase + 64, 8, 2, 0}).ok());
  driver_.MakeAvailable(0);
  auto chain = queue.Pop();
  ASSERT_TRUE(chain.ok() && chain->has_value()) << chain.status();
  EXPECT_EQ((*chain)->readable_size(), 4u);
  EXPECT_EQ((*chain)->writable_size(), 8u);
}

TEST_F(VirtqueueTest, LogsWhatWasWrittenAndNothingElse) {
  Virtqueue queue = Make(0);
  driver_.Add({{kBufferBase, 4096, true}, {kBufferBase + 0x2000, 4096, true}});
  auto chain = queue.Pop();
  ASSERT_TRUE(chain.ok() && chain->has_value());
  memory_->StartDirtyTracking();
  queue.Return(**std::move(chain), 4096);
  const auto dirty = memory_->TakeDirty(0);
  ASSERT_TRUE(dirty.ok());
  EXPECT_EQ((*dirty)[2], 1u);                // the first buffer, not the second
  EXPECT_EQ((*dirty)[0], uint64_t{1} << 8);  // the used ring
}

TEST_F(VirtqueueTest, ReturningTwiceIsOurBug) {
  Virtqueue queue = Make(0);
  driver_.Add({{kBufferBase, 1, true}});
  auto popped = queue.Pop();
  ASSERT_TRUE(popped.ok() && popped->has_value());
  DescriptorChain chain = **std::move(popped);
  queue.Return(std::move(chain), 0);
  EXPECT_DEATH(queue.Return(std::move(chain), 0), "returned twice");  // NOLINT: on purpose
}

// Interrupts (section 2.7.7).
TEST_F(VirtqueueTest, WithoutEventIndexTheFlagDecides) {
  Virtqueue queue = Make(0);
  for (const bool wanted : {true, false, true}) {
    driver_.SetAvailFlags(wanted ? 0 : kAvailNoInterrupt);
    driver_.Add({{kBufferBase, 1, true}});
    queue.Return(**queue.Pop(), 1);
    EXPECT_EQ(queue.TakeNeedsInterrupt(), wanted);
    EXPECT_FALSE(queue.TakeNeedsInterrupt());  // nothing new
  }
}

TEST_F(VirtqueueTest, WithEventIndexOnlyPassingItInterrupts) {
  Virtqueue queue = Make(kFeatureEventIndex);
  driver_.SetAvailFlags(kAvailNoInterrupt);  // has no meaning then
  driver_.SetUsedEvent(2);
  std::vector<bool> interrupts;
  for (int i = 0; i < 5; ++i) {
    driver_.Add({{kBufferBase, 1, true}});
    queue.Return(**queue.Pop(), 1);
    interrupts.push_back(queue.TakeNeedsInterrupt());
  }
  EXPECT_EQ(interrupts, (std::vector<bool>{false, false, true, false, false}));
  // A batch that passes it.
  driver_.SetUsedEvent(6);
  for (int i = 0; i < 4; ++i) {
    driver_.Add({{kBufferBase, 1, true}});
    queue.Return(**queue.Pop(), 1);
  }
  EXPECT_TRUE(queue.TakeNeedsInterrupt());
}

// Doorbells (section 2.7.10).
TEST_F(VirtqueueTest, TheFlagOrTheEventIndexAsksForDoorbells) {
  Virtqueue flags = Make(0);
  flags.DisableNotifications();
  EXPECT_EQ(driver_.used_flags(), kUsedNoNotify);
  EXPECT_FALSE(flags.EnableNotifications());
  EXPECT_EQ(driver_.used_flags(), 0);

  Virtqueue event = Make(kFeatureEventIndex);
  driver_.Add({{kBufferBase, 1, true}});
  driver_.Add({{kBufferBase, 1, true}});
  event.DisableNotifications();
  EXPECT_EQ(driver_.used_flags(), 0);
  event.Return(**event.Pop(), 0);
  EXPECT_TRUE(event.EnableNotifications());  // one is left that nobody will ring for
  EXPECT_EQ(driver_.avail_event(), 1);
  event.Return(**event.Pop(), 0);
  EXPECT_FALSE(event.EnableNotifications());
  EXPECT_EQ(driver_.avail_event(), 2);
}

// What no driver may do.
struct BadChain {
  std::string name;
  std::function<void(DriverQueue&, GuestMemory&)> make;
  std::string message;
};

class VirtqueueBadChainTest : public VirtqueueTest,
                              public ::testing::WithParamInterface<BadChain> {};

TEST_P(VirtqueueBadChainTest, IsRefusedWithItsReason) {
  Virtqueue queue = Make(kFeatureIndirectDescriptors);
  GetParam().make(driver_, *memory_);
  const absl::Status status = queue.Pop().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
  EXPECT_EQ(driver_.used_index(), 0);
}

void One(DriverQueue& driver, const Descriptor& descriptor) {
  driver.SetDescriptor(0, descriptor);
  driver.MakeAvailable(0);
}

void Indirect(DriverQueue& driver, GuestMemory& memory, const std::vector<Descriptor>& table) {
  for (size_t i = 0; i < table.size(); ++i) {
    ASSERT_TRUE(memory.Store(GuestAddress(kTable + 16 * i), table[i]).ok());
  }
  One(driver, {kTable, static_cast<uint32_t>(16 * table.size()), kDescriptorIndirect, 0});
}

INSTANTIATE_TEST_SUITE_P(
    Indices, VirtqueueBadChainTest,
    ::testing::Values(
        BadChain{"AvailIndexOneTooFar",
                 [](DriverQueue& d, GuestMemory&) { d.SetAvailIndex(kSize + 1); },
                 "9 ahead in a queue of 8"},
        BadChain{"AvailIndexFarAhead", [](DriverQueue& d, GuestMemory&) { d.SetAvailIndex(40000); },
                 "40000 ahead"},
        BadChain{"AvailIndexBackwards",
                 [](DriverQueue& d, GuestMemory&) { d.SetAvailIndex(65535); }, "65535 ahead"},
        BadChain{"HeadIsSize", [](DriverQueue& d, GuestMemory&) { d.MakeAvailable(kSize); },
                 "descriptor 8 is outside"},
        BadChain{"HeadIsMax", [](DriverQueue& d, GuestMemory&) { d.MakeAvailable(65535); },
                 "descriptor 65535 is outside"},
        BadChain{"NextIsSize",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {kBufferBase, 1, kDescriptorNext, kSize});
                 },
                 "descriptor 8 is outside"},
        BadChain{"LoopOfOne",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {kBufferBase, 1, kDescriptorNext, 0});
                 },
                 "loop"},
        BadChain{"LoopOfAll",
                 [](DriverQueue& d, GuestMemory&) {
                   for (uint16_t i = 0; i < kSize; ++i) {
                     d.SetDescriptor(i, {kBufferBase, 1, kDescriptorNext,
                                         static_cast<uint16_t>((i + 1) % kSize)});
                   }
                   d.MakeAvailable(3);
                 },
                 "loop"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Buffers, VirtqueueBadChainTest,
    ::testing::Values(BadChain{"Empty",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {kBufferBase, 0, 0, 0});
                               },
                               "empty descriptor"},
                      BadChain{"EmptyWritable",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {kBufferBase, 0, kDescriptorWrite, 0});
                               },
                               "empty descriptor"},
                      BadChain{"ReadableOutside",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {0, 1, 0, 0});
                               },
                               "0x0+0x1 is not in guest memory"},
                      BadChain{"WritableOutside",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {0x0a00'0000, 4, kDescriptorWrite, 0});
                               },
                               "not in guest memory"},
                      BadChain{"StraddlesTheEnd",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {kMemoryBase + kMemorySize - 1, 2, kDescriptorWrite, 0});
                               },
                               "not in guest memory"},
                      BadChain{"StraddlesTheStart",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {kMemoryBase - 1, 2, 0, 0});
                               },
                               "not in guest memory"},
                      BadChain{"Wraps",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {~0ull, 2, 0, 0});
                               },
                               "not in guest memory"},
                      BadChain{"Length4GiB",
                               [](DriverQueue& d, GuestMemory&) {
                                 One(d, {kBufferBase, ~0u, 0, 0});
                               },
                               "not in guest memory"},
                      BadChain{"WritableBeforeReadable",
                               [](DriverQueue& d, GuestMemory&) {
                                 d.Add({{kBufferBase, 1, true}, {kBufferBase, 1, false}});
                               },
                               "readable descriptor behind a writable one"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Indirect, VirtqueueBadChainTest,
    ::testing::Values(
        BadChain{"WithNext",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {kTable, 16, kDescriptorIndirect | kDescriptorNext, 1});
                 },
                 "with NEXT set"},
        BadChain{"Nested",
                 [](DriverQueue& d, GuestMemory& m) {
                   Indirect(d, m, {{kTable, 16, kDescriptorIndirect, 0}});
                 },
                 "indirect descriptor in an indirect table"},
        BadChain{"EmptyTable",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {kTable, 0, kDescriptorIndirect, 0});
                 },
                 "table of 0 bytes"},
        BadChain{"NotWhole",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {kTable, 24, kDescriptorIndirect, 0});
                 },
                 "table of 24 bytes"},
        BadChain{"TableOutside",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {0x1000, 16, kDescriptorIndirect, 0});
                 },
                 "indirect table at 0x1000+0x10"},
        BadChain{"TableStraddlesTheEnd",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {kMemoryBase + kMemorySize - 16, 32, kDescriptorIndirect, 0});
                 },
                 "is not in guest memory"},
        BadChain{"TableWraps",
                 [](DriverQueue& d, GuestMemory&) {
                   One(d, {~15ull, 0xffff'fff0, kDescriptorIndirect, 0});
                 },
                 "is not in guest memory"},
        BadChain{"NextOutsideOfTable",
                 [](DriverQueue& d, GuestMemory& m) {
                   Indirect(d, m, {{kBufferBase, 1, kDescriptorNext, 2}, {kBufferBase, 1, 0, 0}});
                 },
                 "outside of the indirect table of 2"},
        BadChain{"Loop",
                 [](DriverQueue& d, GuestMemory& m) {
                   Indirect(d, m,
                            {{kBufferBase, 1, kDescriptorNext, 1},
                             {kBufferBase, 1, kDescriptorNext, 0}});
                 },
                 "loop"},
        BadChain{
            "LongerThanAnyQueue",
            [](DriverQueue& d, GuestMemory&) {
              d.AddIndirect(std::vector<Buffer>(kMaxSize + 1, {kBufferBase, 1, false}), kTable);
            },
            "more than 16 buffers"},
        BadChain{"BufferOutside",
                 [](DriverQueue& d, GuestMemory& m) {
                   Indirect(d, m, {{8, 1, 0, 0}});
                 },
                 "not in guest memory"}),
    [](const auto& info) { return info.param.name; });

TEST_F(VirtqueueTest, AnIndirectDescriptorThatWasNotNegotiatedIsRefused) {
  Virtqueue queue = Make(0);
  driver_.AddIndirect({{kBufferBase, 1, false}}, kTable);
  EXPECT_THAT(queue.Pop().status().message(), HasSubstr("not negotiated"));
}

TEST(VirtqueueLargeMemoryTest, AChainOf4GiBIsRefused) {
  auto memory = GuestMemory::Create({*GuestRange::Create(GuestAddress(kMemoryBase), 1ull << 32)});
  ASSERT_TRUE(memory.ok());
  DriverQueue driver(**memory, kSize);
  auto rings = SplitRings::Create(**memory, driver.settings(), kMaxSize);
  ASSERT_TRUE(rings.ok());
  Virtqueue queue(**memory, *rings, 0, kMaxSize);
  driver.Add({{kMemoryBase, 0x8000'0000, false}, {kMemoryBase, 0x8000'0000, true}});
  EXPECT_THAT(queue.Pop().status().message(), HasSubstr("4 GiB"));
}

}  // namespace
}  // namespace firn::virtio
