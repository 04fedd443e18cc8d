// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/split_rings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "devices/virtio/testing/driver_queue.h"

namespace firn::virtio {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kEnd = testing::kMemoryBase + testing::kMemorySize;

struct BadSettings {
  std::string name;
  std::function<void(QueueSettings&)> spoil;
  std::string message;
};

class SplitRingsBadSettingsTest : public ::testing::TestWithParam<BadSettings> {};

TEST_P(SplitRingsBadSettingsTest, IsRefusedWithItsReason) {
  auto memory = testing::MakeMemory();
  QueueSettings settings = testing::DriverQueue(*memory, 16).settings();
  ASSERT_TRUE(SplitRings::Create(*memory, settings, 256).ok());
  GetParam().spoil(settings);
  const absl::Status status = SplitRings::Create(*memory, settings, 256).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, SplitRingsBadSettingsTest,
    ::testing::Values(
        BadSettings{"Zero", [](QueueSettings& s) { s.size = 0; }, "queue size 0"},
        BadSettings{"NotPowerOfTwo", [](QueueSettings& s) { s.size = 3; }, "queue size 3"},
        BadSettings{"TwiceTheMaximum", [](QueueSettings& s) { s.size = 512; }, "queue size 512"},
        BadSettings{"Max16Bit", [](QueueSettings& s) { s.size = 65535; }, "queue size 65535"},
        BadSettings{"WrapsIn16Bit", [](QueueSettings& s) { s.size = 65536; }, "queue size 65536"},
        BadSettings{"LowHalfGood", [](QueueSettings& s) { s.size = 0x10010; }, "queue size 65552"},
        BadSettings{"TopBit", [](QueueSettings& s) { s.size = 0x8000'0000; }, "queue size"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Alignment, SplitRingsBadSettingsTest,
    ::testing::Values(
        BadSettings{"Descriptors", [](QueueSettings& s) { s.descriptor_table += 8; },
                    "aligned to 16"},
        BadSettings{"Avail", [](QueueSettings& s) { s.avail_ring += 1; }, "aligned to 2"},
        BadSettings{"Used", [](QueueSettings& s) { s.used_ring += 2; }, "aligned to 4"}),
    [](const auto& info) { return info.param.name; });

// Each part in a hole, over the end, before the start, and wrapping around 2^64.
INSTANTIATE_TEST_SUITE_P(
    Place, SplitRingsBadSettingsTest,
    ::testing::Values(
        BadSettings{"DescriptorsAtZero", [](QueueSettings& s) { s.descriptor_table = 0; },
                    "descriptor table at 0x0"},
        BadSettings{"DescriptorsBehind", [](QueueSettings& s) { s.descriptor_table = kEnd; },
                    "descriptor table"},
        BadSettings{"DescriptorsStraddle",
                    [](QueueSettings& s) { s.descriptor_table = kEnd - 16 * 16 + 16; },
                    "descriptor table"},
        BadSettings{"DescriptorsWrap", [](QueueSettings& s) { s.descriptor_table = ~15ull; },
                    "descriptor table"},
        BadSettings{"DescriptorsInMmio", [](QueueSettings& s) { s.descriptor_table = 0x0a00'0000; },
                    "descriptor table"},
        BadSettings{"AvailAtZero", [](QueueSettings& s) { s.avail_ring = 0; }, "available ring"},
        BadSettings{"AvailBehind", [](QueueSettings& s) { s.avail_ring = kEnd; }, "available ring"},
        BadSettings{"AvailStraddles", [](QueueSettings& s) { s.avail_ring = kEnd - 36; },
                    "available ring"},
        BadSettings{"AvailInMmio", [](QueueSettings& s) { s.avail_ring = 0x0a00'0000; },
                    "available ring"},
        BadSettings{"AvailWraps", [](QueueSettings& s) { s.avail_ring = ~1ull; }, "available ring"},
        BadSettings{"UsedAtZero", [](QueueSettings& s) { s.used_ring = 0; }, "used ring"},
        BadSettings{"UsedBehind", [](QueueSettings& s) { s.used_ring = kEnd; }, "used ring"},
        BadSettings{"UsedStraddles", [](QueueSettings& s) { s.used_ring = kEnd - 132; },
                    "used ring"},
        BadSettings{"UsedInMmio", [](QueueSettings& s) { s.used_ring = 0x0a00'0000; }, "used ring"},
        BadSettings{"UsedWraps", [](QueueSettings& s) { s.used_ring = ~3ull; }, "used ring"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Overlap, SplitRingsBadSettingsTest,
    ::testing::Values(BadSettings{"AvailOnDescriptors",
                                  [](QueueSettings& s) { s.avail_ring = s.descriptor_table + 254; },
                                  "the available ring overlaps the descriptor table"},
                      BadSettings{"UsedOnDescriptors",
                                  [](QueueSettings& s) { s.used_ring = s.descriptor_table; },
                                  "the used ring overlaps the descriptor table"},
                      BadSettings{"UsedOnAvail",
                                  [](QueueSettings& s) { s.used_ring = s.avail_ring + 36; },
                                  "the used ring overlaps the available ring"}),
    [](const auto& info) { return info.param.name; });

// Between two regions, and from one of them into what lies between.
TEST(SplitRingsTest, APartInAHoleOfMemoryIsRefused) {
  constexpr uint64_t kFirst = 0x4000'0000, kSecond = 0x8000'0000, kSize = 1 << 20;
  auto memory = GuestMemory::Create({*GuestRange::Create(GuestAddress(kFirst), kSize),
                                     *GuestRange::Create(GuestAddress(kSecond), kSize)});
  ASSERT_TRUE(memory.ok()) << memory.status();
  const QueueSettings good = {
      .size = 16, .descriptor_table = kFirst, .avail_ring = kSecond, .used_ring = kSecond + 0x1000};
  ASSERT_TRUE(SplitRings::Create(**memory, good, 16).ok());
  for (const uint64_t hole :
       {kFirst + kSize, kFirst + kSize - 16, kSecond - 16, kSecond - 0x1000}) {
    QueueSettings settings = good;
    settings.descriptor_table = hole;
    EXPECT_THAT(SplitRings::Create(**memory, settings, 16).status().message(),
                HasSubstr("descriptor table"));
    settings = good;
    settings.avail_ring = hole;
    EXPECT_THAT(SplitRings::Create(**memory, settings, 16).status().message(),
                HasSubstr("available ring"));
    settings = good;
    settings.used_ring = hole;
    EXPECT_THAT(SplitRings::Create(**memory, settings, 16).status().message(),
                HasSubstr("used ring"));
  }
}

TEST(SplitRingsTest, PartsMayTouchEachOtherAndTheEndOfMemory) {
  auto memory = testing::MakeMemory();
  QueueSettings settings;
  settings.size = 16;
  settings.used_ring = kEnd - 136;  // 134 bytes, rounded for the alignment
  settings.avail_ring = settings.used_ring - 38;
  settings.descriptor_table = (settings.avail_ring - 256) & ~15ull;
  EXPECT_TRUE(SplitRings::Create(*memory, settings, 16).ok());
}

TEST(SplitRingsTest, EntriesWrapAroundAtTheSizeAndUsedStoresAreLoggedDirty) {
  auto memory = testing::MakeMemory();
  testing::DriverQueue driver(*memory, 16);
  auto rings = SplitRings::Create(*memory, driver.settings(), 256);
  ASSERT_TRUE(rings.ok());
  driver.MakeAvailable(9);
  EXPECT_EQ(rings->LoadAvailEntry(0), 9);
  EXPECT_EQ(rings->LoadAvailEntry(65536 - 16), 9);
  memory->StartDirtyTracking();
  rings->StoreUsedEntry(17, {.id = 5, .length = 6});
  rings->StoreUsedIndex(18);
  EXPECT_EQ(driver.used(1).id, 5u);
  EXPECT_EQ(driver.used(1).length, 6u);
  EXPECT_EQ(driver.used_index(), 18);
  const auto dirty = memory->TakeDirty(0);
  ASSERT_TRUE(dirty.ok());
  EXPECT_EQ((*dirty)[0], uint64_t{1} << 8);  // the used ring lies in page 8
}

}  // namespace
}  // namespace firn::virtio
