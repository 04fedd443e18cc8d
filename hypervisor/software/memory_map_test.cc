// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/memory_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr uint64_t kPage = kGuestPageSize;

class MemoryMapTest : public ::testing::Test {
 protected:
  absl::Status Set(uint32_t slot, uint64_t address, uint64_t size, uint32_t flags = 0) {
    return map_->SetSlot({slot, flags, GuestAddress(address), size, host()});
  }
  std::byte* host() { return memory_->regions()[0].host; }
  // What a guest's store to a page that logs leads to, when the page is not mapped yet.
  void Write(uint64_t address) {
    ASSERT_TRUE(map_->HandleFault(GuestAddress(address), /*is_write=*/true));  // now it is
    ASSERT_TRUE(map_->HandleFault(GuestAddress(address), true));               // and logged
  }

  std::unique_ptr<GuestMemory> memory_ =
      *GuestMemory::Create({*GuestRange::Create(GuestAddress(0), 64 * kPage)});
  std::unique_ptr<Engine> engine_ = *Engine::Open({});
  std::unique_ptr<MemoryMap> map_ = *MemoryMap::Create(36, engine_.get());
};

TEST_F(MemoryMapTest, RefusesWhatIsNotAligned) {
  EXPECT_EQ(GetErrno(Set(0, 1, kPage)), EINVAL);
  EXPECT_EQ(GetErrno(Set(0, 0x800, kPage)), EINVAL);
  EXPECT_EQ(GetErrno(Set(0, 0, kPage - 1)), EINVAL);
  EXPECT_EQ(GetErrno(map_->SetSlot({0, 0, GuestAddress(0), kPage, host() + 8})), EINVAL);
}

TEST_F(MemoryMapTest, RefusesWhatIsBeyondTheAddressSpace) {
  EXPECT_EQ(GetErrno(Set(0, uint64_t{1} << 36, kPage)), EINVAL);
  EXPECT_EQ(GetErrno(Set(0, (uint64_t{1} << 36) - kPage, 2 * kPage)), EINVAL);
  EXPECT_EQ(GetErrno(Set(0, ~uint64_t{0} & ~(kPage - 1), kPage)), EINVAL);
  EXPECT_EQ(GetErrno(Set(0, kPage, ~uint64_t{0} & ~(kPage - 1))), EINVAL);
  EXPECT_TRUE(Set(0, (uint64_t{1} << 36) - kPage, kPage).ok());
}

TEST_F(MemoryMapTest, RefusesUnknownFlagsAndSlots) {
  EXPECT_EQ(GetErrno(Set(0, 0, kPage, 1u << 2)), EINVAL);
  EXPECT_EQ(GetErrno(Set(0, 0, kPage, 1u << 31)), EINVAL);
  EXPECT_EQ(GetErrno(Set(32, 0, kPage)), EINVAL);
  EXPECT_TRUE(Set(31, 0, kPage).ok());
}

TEST_F(MemoryMapTest, RefusesOverlap) {
  ASSERT_TRUE(Set(0, 0x10000, 4 * kPage).ok());
  for (uint64_t address : {0xf000u, 0x10000u, 0x11000u, 0x13000u}) {
    EXPECT_EQ(GetErrno(Set(1, address, 2 * kPage)), EEXIST) << address;
  }
  EXPECT_EQ(GetErrno(Set(1, 0, 64 * kPage)), EEXIST);
  EXPECT_TRUE(Set(1, 0xe000, 2 * kPage).ok());
  EXPECT_TRUE(Set(2, 0x14000, kPage).ok());
}

TEST_F(MemoryMapTest, ChangesOfASlot) {
  ASSERT_TRUE(Set(0, 0x10000, 4 * kPage).ok());
  EXPECT_EQ(GetErrno(Set(0, 0x10000, 5 * kPage)), EINVAL);                     // size
  EXPECT_EQ(GetErrno(Set(0, 0x10000, 4 * kPage, kvm::kMemReadonly)), EINVAL);  // read-only
  EXPECT_EQ(GetErrno(map_->SetSlot({0, 0, GuestAddress(0x10000), 4 * kPage, host() + kPage})),
            EINVAL);                             // host memory
  EXPECT_TRUE(Set(0, 0x20000, 4 * kPage).ok());  // moved
  EXPECT_EQ(map_->Host(GuestAddress(0x10000), 1, false), nullptr);
  EXPECT_EQ(map_->Host(GuestAddress(0x20000), 1, false), host());
  EXPECT_TRUE(Set(0, 0x20000, 4 * kPage, kvm::kMemLogDirtyPages).ok());
}

TEST_F(MemoryMapTest, DeletesASlotOnce) {
  EXPECT_EQ(GetErrno(Set(0, 0, 0)), EINVAL);
  ASSERT_TRUE(Set(0, 0, kPage).ok());
  EXPECT_TRUE(Set(0, 0, 0).ok());
  EXPECT_EQ(map_->Host(GuestAddress(0), 1, false), nullptr);
  EXPECT_EQ(GetErrno(Set(0, 0, 0)), EINVAL);
  EXPECT_TRUE(Set(1, 0, kPage).ok());
}

TEST_F(MemoryMapTest, HostIsOfOneSlot) {
  ASSERT_TRUE(Set(0, 0x10000, 2 * kPage).ok());
  ASSERT_TRUE(Set(1, 0x12000, 2 * kPage, kvm::kMemReadonly).ok());
  EXPECT_EQ(map_->Host(GuestAddress(0x11ff8), 8, false), host() + 0x1ff8);
  EXPECT_EQ(map_->Host(GuestAddress(0x11ff8), 9, false), nullptr);
  EXPECT_EQ(map_->Host(GuestAddress(0xffff), 1, false), nullptr);
  EXPECT_EQ(map_->Host(GuestAddress(0x10000), ~uint64_t{0}, false), nullptr);
  EXPECT_NE(map_->Host(GuestAddress(0x12000), 8, false), nullptr);
  EXPECT_EQ(map_->Host(GuestAddress(0x12000), 8, true), nullptr);
}

TEST_F(MemoryMapTest, DirtyLogNeedsALoggingSlot) {
  EXPECT_EQ(GetErrno(map_->GetDirtyLog(0).status()), ENOENT);
  ASSERT_TRUE(Set(0, 0, kPage).ok());
  EXPECT_EQ(GetErrno(map_->GetDirtyLog(0).status()), ENOENT);
}

TEST_F(MemoryMapTest, DirtyLogHasThePagesWrittenByHostAndFaults) {
  ASSERT_TRUE(Set(0, 0x10000, 64 * kPage, kvm::kMemLogDirtyPages).ok());
  EXPECT_THAT(*map_->GetDirtyLog(0), ElementsAre(0));
  map_->Host(GuestAddress(0x10000 + 2 * kPage - 1), 2, true);  // pages 1 and 2
  map_->Host(GuestAddress(0x10000 + 5 * kPage), 8, false);     // a read
  Write(0x10000 + 63 * kPage);
  EXPECT_FALSE(map_->HandleFault(GuestAddress(0x10000 + 64 * kPage), /*is_write=*/true));
  EXPECT_THAT(*map_->GetDirtyLog(0), ElementsAre(6 | uint64_t{1} << 63));
  EXPECT_THAT(*map_->GetDirtyLog(0), ElementsAre(0));
}

// A change of one slot must not lose what another has logged.
TEST_F(MemoryMapTest, DirtyLogSurvivesChangesOfOtherSlots) {
  ASSERT_TRUE(Set(0, 0x10000, 4 * kPage, kvm::kMemLogDirtyPages).ok());
  Write(0x10000);
  ASSERT_TRUE(Set(1, 0x100000, 4 * kPage).ok());
  ASSERT_TRUE(Set(0, 0x10000, 4 * kPage, kvm::kMemLogDirtyPages).ok());  // no change
  ASSERT_TRUE(Set(1, 0x100000, 0).ok());
  EXPECT_THAT(*map_->GetDirtyLog(0), ElementsAre(1));
}

TEST_F(MemoryMapTest, FaultOutsideMemoryIsNotHandled) {
  ASSERT_TRUE(Set(0, 0x10000, 4 * kPage).ok());
  EXPECT_FALSE(map_->HandleFault(GuestAddress(0xf000), false));
  EXPECT_TRUE(map_->HandleFault(GuestAddress(0x10000), false));
  // Its neighbours in the same 2 MiB were mapped with it, but no more than the slot.
  EXPECT_FALSE(map_->HandleFault(GuestAddress(0x13000), false));
  EXPECT_FALSE(map_->HandleFault(GuestAddress(0x14000), false));
  ASSERT_TRUE(Set(0, 0x10000, 0).ok());
  EXPECT_FALSE(map_->HandleFault(GuestAddress(0x10000), false));
}

TEST_F(MemoryMapTest, ReadOnlySlotIsNotMadeWritableByAFault) {
  ASSERT_TRUE(Set(0, 0, kPage, kvm::kMemReadonly | kvm::kMemLogDirtyPages).ok());
  EXPECT_TRUE(map_->HandleFault(GuestAddress(0), true));  // mapped now
  EXPECT_FALSE(map_->HandleFault(GuestAddress(0), true));
  EXPECT_THAT(*map_->GetDirtyLog(0), ElementsAre(0));
}

// ---- With a guest.

constexpr uint64_t kData = 0x40200000;

void StartFill(Guest& guest, uint64_t address, uint64_t stride, uint64_t count) {
  guest.Start(0, "fill");
  guest.Set(0, kvm::CoreX(0), 3);
  guest.Set(0, kvm::CoreX(1), address);
  guest.Set(0, kvm::CoreX(2), stride);
  guest.Set(0, kvm::CoreX(3), count);
}

TEST(GuestMemoryMapTest, DirtyLogHasExactlyThePagesThatTheGuestWrote) {
  Guest guest("mmio", {.memory_flags = kvm::kMemLogDirtyPages});
  StartFill(guest, kData + 8, 3 * kPage, 50);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(150));
  const std::vector<uint64_t> dirty = *guest.vm().GetDirtyLog(0);
  ASSERT_EQ(dirty.size(), 16u);
  for (uint64_t page = 0; page < 1024; ++page) {
    const uint64_t data_page = (kData - Guest::kMemory.value) / kPage;
    const bool written = page >= data_page && page < data_page + 150 && (page - data_page) % 3 == 0;
    EXPECT_EQ((dirty[page / 64] >> page % 64 & 1) != 0, written) << page;
  }
  EXPECT_THAT(*guest.vm().GetDirtyLog(0), Each(0));
  // The next writes are logged again, those only.
  StartFill(guest, kData + 3 * kPage, kPage, 1);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ((*guest.vm().GetDirtyLog(0))[8], 8u);
}

// Neither of the two pages is mapped when the access comes.
TEST(GuestMemoryMapTest, AccessAcrossTwoPagesThatAreMappedAtTheFirst) {
  constexpr uint64_t kBoundary = 0x40400000;  // two tables of level 3
  for (const uint32_t flags : {0u, static_cast<uint32_t>(kvm::kMemLogDirtyPages)}) {
    Guest guest("mmio", {.memory_size = 8 << 20, .memory_flags = flags});
    ASSERT_TRUE(guest.memory().Store<uint32_t>(GuestAddress(kBoundary), 0xffff'ffff).ok());
    StartFill(guest, kBoundary - 4, kPage, 1);
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(guest.reports(), ElementsAre(3));
    if (flags == 0) continue;
    const uint64_t page = (kBoundary - Guest::kMemory.value) / kPage;
    const std::vector<uint64_t> dirty = *guest.vm().GetDirtyLog(0);
    EXPECT_EQ(dirty[page / 64 - 1], uint64_t{1} << 63);
    EXPECT_EQ(dirty[page / 64], 1u);
  }
}

TEST(GuestMemoryMapTest, StoreToReadOnlyMemoryIsAnExitAndALoadIsNot) {
  Guest guest("mmio", {.memory_flags = kvm::kMemReadonly});
  std::vector<uint64_t> stores;
  guest.OnMmio(GuestAddress(kData), [&](unsigned, MmioExit& exit) {
    EXPECT_TRUE(exit.is_write);
    stores.push_back(MmioValue(exit));
  });
  ASSERT_TRUE(guest.memory().Store<uint64_t>(GuestAddress(kData), 40).ok());
  StartFill(guest, kData, kPage, 1);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(stores, ElementsAre(3));
  EXPECT_THAT(guest.reports(), ElementsAre(40));  // the store changed nothing
}

TEST(GuestMemoryMapTest, DeletedSlotIsMmioAndAMovedOneIsMemoryElsewhere) {
  Guest guest("mmio");
  std::unique_ptr<GuestMemory> extra =
      *GuestMemory::Create({*GuestRange::Create(GuestAddress(0), 16 * kPage)});
  const auto set = [&](uint64_t address, uint64_t size) {
    return guest.vm().SetMemorySlot({5, 0, GuestAddress(address), size, extra->regions()[0].host});
  };
  ASSERT_TRUE(set(0x80000000, 16 * kPage).ok());
  StartFill(guest, 0x80000000, kPage, 16);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(*extra->Load<uint64_t>(GuestAddress(15 * kPage)), 3u);

  ASSERT_TRUE(set(0x90000000, 16 * kPage).ok());
  ASSERT_TRUE(extra->Store<uint64_t>(GuestAddress(0), 0).ok());
  StartFill(guest, 0x90000000, kPage, 16);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(*extra->Load<uint64_t>(GuestAddress(0)), 3u);
  int exits = 0;
  guest.OnMmio(GuestAddress(0x80000000), [&](unsigned, MmioExit& exit) {
    ++exits;
    if (!exit.is_write) SetMmioValue(exit, 9);
  });
  StartFill(guest, 0x80000000, kPage, 1);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(exits, 2);

  ASSERT_TRUE(set(0, 0).ok());
  guest.OnMmio(GuestAddress(0x90000000), [&](unsigned, MmioExit&) { ++exits; });
  StartFill(guest, 0x90000000, kPage, 1);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(exits, 4);
  EXPECT_THAT(guest.reports(), ElementsAre(48, 48, 9, 0));
}

}  // namespace
}  // namespace firn::software
