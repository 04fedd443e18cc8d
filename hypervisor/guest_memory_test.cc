// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/guest_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <limits>

#include "hypervisor/errno_status.h"

namespace firn {
namespace {

constexpr GuestAddress kBase(0x4000'0000);
constexpr GuestAddress kHigh(0x1'0000'0000);

GuestRange Range(GuestAddress base, uint64_t size) { return *GuestRange::Create(base, size); }

std::unique_ptr<GuestMemory> Make(GuestMemoryBacking backing = {}) {
  auto memory = GuestMemory::Create({Range(kBase, 0x10000), Range(kHigh, 0x2000)}, backing);
  EXPECT_TRUE(memory.ok()) << memory.status();
  return *std::move(memory);
}

TEST(GuestAddressTest, PlusRefusesToWrap) {
  EXPECT_EQ(GuestAddress(1).Plus(2), GuestAddress(3));
  EXPECT_EQ(GuestAddress(std::numeric_limits<uint64_t>::max()).Plus(1), std::nullopt);
}

TEST(GuestRangeTest, RefusesToWrapAndKnowsItsEdges) {
  EXPECT_EQ(GuestRange::Create(GuestAddress(~0ull), 1), std::nullopt);
  const GuestRange range = Range(kBase, 0x1000);
  EXPECT_TRUE(range.Contains(kBase));
  EXPECT_TRUE(range.Contains(GuestAddress(kBase.value + 0xfff), 1));
  EXPECT_FALSE(range.Contains(GuestAddress(kBase.value + 0xfff), 2));
  EXPECT_FALSE(range.Contains(GuestAddress(kBase.value + 0x1000)));
  EXPECT_FALSE(range.Contains(GuestAddress(kBase.value - 1), 2));
  EXPECT_FALSE(range.Contains(kBase, ~0ull));
  EXPECT_TRUE(range.Overlaps(Range(GuestAddress(kBase.value + 0xfff), 1)));
  EXPECT_FALSE(range.Overlaps(Range(GuestAddress(kBase.value + 0x1000), 1)));
}

TEST(GuestMemoryTest, ReadsBackWhatWasWrittenInEveryBacking) {
  using Kind = GuestMemoryBacking::Kind;
  for (Kind kind : {Kind::kAnonymous, Kind::kMemfd}) {
    auto memory = Make({.kind = kind});
    ASSERT_TRUE(memory->Store<uint64_t>(GuestAddress(kBase.value + 3), 0x1122334455667788).ok());
    EXPECT_EQ(*memory->Load<uint64_t>(GuestAddress(kBase.value + 3)), 0x1122334455667788u);
    EXPECT_EQ(*memory->Load<uint8_t>(GuestAddress(kBase.value + 3)), 0x88u);
    EXPECT_EQ(*memory->Load<uint32_t>(kHigh), 0u);
    EXPECT_EQ(memory->size(), 0x12000u);
    EXPECT_EQ(memory->memfd() >= 0, kind == Kind::kMemfd);
  }
}

TEST(GuestMemoryTest, HostAddressesAllowForHugePages) {
  constexpr uint64_t kHugePage = 2 << 20;
  for (const auto kind : {GuestMemoryBacking::Kind::kAnonymous, GuestMemoryBacking::Kind::kMemfd}) {
    const auto memory = GuestMemory::Create(
        {Range(kBase, 3 * kHugePage), Range(GuestAddress(kHigh.value + 0x3000), kHugePage)},
        {.kind = kind});
    ASSERT_TRUE(memory.ok());
    for (const GuestMemoryRegion& region : (*memory)->regions()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(region.host) % kHugePage,
                region.range.base().value % kHugePage);
      region.host[0] = std::byte{1};
      region.host[region.range.size() - 1] = std::byte{1};
    }
  }
}

TEST(GuestMemoryTest, RefusesWhatIsNotWhollyInOneRegion) {
  auto memory = Make();
  const std::array<std::pair<uint64_t, uint64_t>, 6> bad = {{{kBase.value - 1, 1},
                                                             {kBase.value + 0xffff, 2},
                                                             {kBase.value + 0x10000, 1},
                                                             {kHigh.value + 0x1fff, 2},
                                                             {~0ull, 1},
                                                             {kBase.value, 0x20000}}};
  for (auto [address, size] : bad) {
    EXPECT_EQ(memory->HostRange(GuestAddress(address), size).status().code(),
              absl::StatusCode::kOutOfRange)
        << std::hex << address;
    EXPECT_FALSE(memory->Contains(GuestAddress(address), size));
  }
  EXPECT_FALSE(memory->Store<uint16_t>(GuestAddress(kBase.value + 0xffff), 1).ok());
}

TEST(GuestMemoryTest, AtomicsNeedAlignment) {
  auto memory = Make();
  EXPECT_TRUE(memory->StoreRelease<uint16_t>(GuestAddress(kBase.value + 2), 7).ok());
  EXPECT_EQ(*memory->LoadAcquire<uint16_t>(GuestAddress(kBase.value + 2)), 7);
  EXPECT_EQ(memory->LoadAcquire<uint16_t>(GuestAddress(kBase.value + 1)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GuestMemoryTest, LogsEveryPageThatAWriteTouchesOnce) {
  auto memory = Make();
  EXPECT_EQ(memory->TakeDirty(0).status().code(), absl::StatusCode::kFailedPrecondition);
  memory->StartDirtyTracking();
  ASSERT_TRUE(memory->Store<uint16_t>(GuestAddress(kBase.value + 0xfff), 1).ok());
  ASSERT_TRUE(memory->StoreRelease<uint32_t>(GuestAddress(kBase.value + 0x5000), 1).ok());
  ASSERT_TRUE(memory->MutableHostRange(kHigh, 1).ok());
  EXPECT_EQ((*memory->TakeDirty(0))[0], 0b100011u);
  EXPECT_EQ((*memory->TakeDirty(0))[0], 0u);
  EXPECT_EQ((*memory->TakeDirty(1))[0], 1u);
  EXPECT_FALSE(memory->TakeDirty(2).ok());
  ASSERT_TRUE(memory->Load<uint32_t>(kBase).ok());
  EXPECT_EQ((*memory->TakeDirty(0))[0], 0u);
  memory->StopDirtyTracking();
  EXPECT_FALSE(memory->TakeDirty(0).ok());
}

TEST(GuestMemoryTest, MapsAFilePrivatelyOrShared) {
  for (bool shared : {false, true}) {
    const int fd = memfd_create("file", 0);
    ASSERT_EQ(ftruncate(fd, 0x13000), 0);
    ASSERT_EQ(pwrite(fd, "abc", 3, 0x1000), 3);
    auto memory = Make({.kind = GuestMemoryBacking::Kind::kFile,
                        .fd = fd,
                        .file_offset = 0x1000,
                        .shared = shared});
    EXPECT_EQ(*memory->Load<char>(GuestAddress(kBase.value + 1)), 'b');
    ASSERT_TRUE(memory->Store<char>(kHigh, 'x').ok());
    char byte = 0;
    ASSERT_EQ(pread(fd, &byte, 1, 0x11000), 1);
    EXPECT_EQ(byte, shared ? 'x' : 0);
    close(fd);
  }
}

TEST(GuestMemoryTest, RefusesBadRangesAndShortFiles) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(GuestMemory::Create({}).status().code(), invalid);
  EXPECT_EQ(GuestMemory::Create({Range(kBase, 0)}).status().code(), invalid);
  EXPECT_EQ(GuestMemory::Create({Range(kBase, 0x1001)}).status().code(), invalid);
  EXPECT_EQ(GuestMemory::Create({Range(GuestAddress(0x800), 0x1000)}).status().code(), invalid);
  EXPECT_EQ(GuestMemory::Create({Range(kHigh, 0x1000), Range(kBase, 0x1000)}).status().code(),
            invalid);
  EXPECT_EQ(
      GuestMemory::Create({Range(kBase, 0x2000), Range(GuestAddress(kBase.value + 0x1000), 0x1000)})
          .status()
          .code(),
      invalid);
  const int fd = memfd_create("short", 0);
  EXPECT_EQ(GuestMemory::Create({Range(kBase, 0x1000)},
                                {.kind = GuestMemoryBacking::Kind::kFile, .fd = fd})
                .status()
                .code(),
            invalid);
  close(fd);
}

TEST(GuestMemoryTest, ASizeAtTheEndOfTheAddressSpaceIsAnErrorToo) {
  const auto memory = GuestMemory::Create({Range(GuestAddress(0), ~uint64_t{0xfff})});
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(GetErrno(memory.status()), ENOMEM);
}

TEST(GuestMemoryTest, AnImpossibleSizeIsAnErrorWithErrno) {
  auto memory = GuestMemory::Create({Range(GuestAddress(0), uint64_t{1} << 62)});
  EXPECT_EQ(GetErrno(memory.status()), ENOMEM);
}

}  // namespace
}  // namespace firn
