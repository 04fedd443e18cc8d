// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/memory_layout.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

GuestRange Range(uint64_t base, uint64_t size) {
  return *GuestRange::Create(GuestAddress(base), size);
}

MemoryLayout Layout(uint64_t size, int ipa_bits = kDefaultIpaBits) {
  const auto layout = MemoryLayout::Create(size, ipa_bits);
  EXPECT_TRUE(layout.ok()) << layout.status();
  return *layout;
}

void ExpectRefused(uint64_t size, int ipa_bits, const char* message) {
  const auto layout = MemoryLayout::Create(size, ipa_bits);
  EXPECT_TRUE(absl::IsInvalidArgument(layout.status())) << layout.status();
  EXPECT_THAT(layout.status().message(), HasSubstr(message));
}

TEST(MemoryLayoutTest, SmallGuestIsOneRange) {
  EXPECT_THAT(Layout(256 * kMiB).ram(), testing::ElementsAre(Range(1 * kGiB, 256 * kMiB)));
  EXPECT_THAT(Layout(kMinimumRam).ram(), testing::ElementsAre(Range(1 * kGiB, kMinimumRam)));
}

TEST(MemoryLayoutTest, RamBeyondTheHoleGoesAboveIt) {
  EXPECT_THAT(Layout(255 * kGiB).ram(), testing::ElementsAre(Range(1 * kGiB, 255 * kGiB)));
  EXPECT_THAT(Layout(255 * kGiB + kMiB).ram(),
              testing::ElementsAre(Range(1 * kGiB, 255 * kGiB), Range(512 * kGiB, kMiB)));
  EXPECT_THAT(Layout(767 * kGiB).ram(),
              testing::ElementsAre(Range(1 * kGiB, 255 * kGiB), Range(512 * kGiB, 512 * kGiB)));
  const MemoryLayout largest = Layout(767 * kGiB);
  for (const GuestRange& range : largest.ram()) {
    EXPECT_FALSE(range.Overlaps(kMmio64Hole));
  }
}

TEST(MemoryLayoutTest, BoundsOfTheAddressSpace) {
  EXPECT_THAT(Layout(63 * kGiB, 36).ram(), testing::ElementsAre(Range(1 * kGiB, 63 * kGiB)));
  EXPECT_EQ(Layout(3 * kGiB, 32).ram().back().end(), GuestAddress(uint64_t{1} << 32));
  EXPECT_EQ(Layout(255 * kGiB, 39).ram().size(), 1);
  ExpectRefused(3 * kGiB + kMiB, 32, "more than the 3 GiB");
  ExpectRefused(63 * kGiB + kMiB, 36, "more than the 63 GiB");
  ExpectRefused(255 * kGiB + kMiB, 38, "more than the 255 GiB");
  ExpectRefused(255 * kGiB + kMiB, 39, "more than the 255 GiB");
  ExpectRefused(767 * kGiB + kMiB, 40, "more than the 767 GiB");
  ExpectRefused(~uint64_t{0} & ~(kMiB - 1), 40, "more than");
  ExpectRefused(1 * kGiB, 31, "31 bits");
  ExpectRefused(1 * kGiB, 64, "64 bits");
}

TEST(MemoryLayoutTest, RefusedSizes) {
  ExpectRefused(0, 40, "too small: give at least 16 MiB");
  ExpectRefused(1 * kMiB, 40, "1 MiB is too small");
  ExpectRefused(kMinimumRam - 1, 40, "too small");
  ExpectRefused(kMinimumRam + 1, 40, "not a multiple of 1 MiB");
  ExpectRefused(256 * kMiB + 4 * kKiB, 40, "not a multiple of 1 MiB");
}

TEST(MemoryLayoutTest, FdtAtTheEndOfRam) {
  EXPECT_EQ(Layout(256 * kMiB).fdt_space(), Range(kGiB + 254 * kMiB, 2 * kMiB));
  // Aligned to 2 MiB where RAM is not.
  EXPECT_EQ(Layout(129 * kMiB).fdt_space(), Range(kGiB + 126 * kMiB, 2 * kMiB));
  EXPECT_EQ(Layout(kMinimumRam).fdt_space(), Range(kGiB + 14 * kMiB, 2 * kMiB));
}

TEST(MemoryLayoutTest, KernelSpaceEndsAtTheFdt) {
  EXPECT_EQ(Layout(256 * kMiB).kernel_space(), Range(kGiB, 254 * kMiB));
  EXPECT_TRUE(Layout(256 * kMiB).kernel_space().base().IsAligned(2 * kMiB));
}

// booting.rst: kernel and initrd within a 1 GiB aligned window of 32 GiB.
TEST(MemoryLayoutTest, ImagesStayInTheBootWindow) {
  const MemoryLayout layout = Layout(200 * kGiB);
  EXPECT_EQ(layout.fdt_space().end(), GuestAddress(33 * kGiB));
  const auto initrd = layout.PlaceInitrd(1 * kGiB, Range(kGiB, 40 * kMiB));
  ASSERT_TRUE(initrd.ok()) << initrd.status();
  EXPECT_EQ(initrd->end(), layout.fdt_space().base());
}

TEST(MemoryLayoutTest, InitrdBelowTheFdt) {
  const MemoryLayout layout = Layout(256 * kMiB);
  const GuestRange kernel = Range(kGiB, 40 * kMiB);
  const auto initrd = layout.PlaceInitrd(100'001, kernel);
  ASSERT_TRUE(initrd.ok()) << initrd.status();
  EXPECT_EQ(initrd->size(), 100'001);
  EXPECT_TRUE(initrd->base().IsAligned(64 * kKiB));
  EXPECT_LE(initrd->end(), layout.fdt_space().base());
  EXPECT_GT(initrd->end().value, layout.fdt_space().base().value - 64 * kKiB);
}

TEST(MemoryLayoutTest, InitrdMayFillWhatIsFreeAndNoMore) {
  const MemoryLayout layout = Layout(256 * kMiB);
  const GuestRange kernel = Range(kGiB, 54 * kMiB);
  const auto exact = layout.PlaceInitrd(200 * kMiB, kernel);
  ASSERT_TRUE(exact.ok()) << exact.status();
  EXPECT_EQ(exact->base(), kernel.end());
  for (const uint64_t size : {200 * kMiB + 1, 400 * kMiB, ~uint64_t{0}}) {
    const auto initrd = layout.PlaceInitrd(size, kernel);
    EXPECT_TRUE(absl::IsResourceExhausted(initrd.status())) << initrd.status();
    EXPECT_THAT(initrd.status().message(), HasSubstr("more memory"));
  }
  // Free, but not when aligned.
  EXPECT_FALSE(layout.PlaceInitrd(200 * kMiB - 4096, Range(kGiB, 54 * kMiB + 4096)).ok());
}

TEST(MemoryLayoutTest, VirtioSlotsArePagesOfTheirOwn) {
  EXPECT_EQ(*VirtioMmioSlot(0), Range(0x1001'0000, 0x1000));
  EXPECT_EQ(*VirtioMmioSlot(63), Range(0x1004'f000, 0x1000));
  EXPECT_EQ(VirtioMmioSlot(63)->end(), kVirtioMmioRegion.end());
  EXPECT_TRUE(absl::IsResourceExhausted(VirtioMmioSlot(64).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(VirtioMmioSlot(~0u).status()));
}

TEST(MemoryLayoutTest, RegionsAreDisjoint) {
  const GuestRange regions[] = {
      kInterruptControllerRegion, kSerialRange,         kRtcRange, kPvpanicRange,
      kVirtioMmioRegion,          Layout(kGiB).ram()[0]};
  for (const GuestRange& a : regions) {
    for (const GuestRange& b : regions) {
      EXPECT_EQ(a.Overlaps(b), &a == &b) << a.base().value << " " << b.base().value;
    }
  }
}

}  // namespace
}  // namespace firn
