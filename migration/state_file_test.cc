// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace firn {
namespace {

using ::testing::HasSubstr;

StateFile Sample() {
  StateFile file;
  file.Add("manifest", "who");
  file.Add("vcpu/0", std::string("\0\1\2", 3));
  file.Add("empty", "", /*mandatory=*/false);
  return file;
}

TEST(StateFileTest, RoundTrip) {
  const absl::StatusOr<StateFile> read = DecodeStateFile(EncodeStateFile(Sample()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->sections, Sample().sections);
  EXPECT_EQ(read->format_version, kFormatVersion);
  ASSERT_NE(read->Find("vcpu/0"), nullptr);
  EXPECT_EQ(read->Find("vcpu/0")->content.size(), 3u);
  EXPECT_EQ(read->Find("vcpu/1"), nullptr);
}

TEST(StateFileTest, EveryFlippedBitIsDetected) {
  const std::string good = EncodeStateFile(Sample());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeStateFile(bad).ok()) << "bit " << bit;
  }
}

TEST(StateFileTest, EveryTruncationAndExtensionIsDetected) {
  const std::string good = EncodeStateFile(Sample());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(DecodeStateFile(good.substr(0, size)).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
  EXPECT_FALSE(DecodeStateFile(good + '\0').ok());
}

TEST(StateFileTest, NamesAreUnique) {
  StateFile twice = Sample();
  twice.Add("manifest", "again");
  EXPECT_THAT(DecodeStateFile(EncodeStateFile(twice)).status().message(),
              HasSubstr("manifest is twice"));
}

TEST(StateFileTest, NamesArePrintable) {
  StateFile file;
  file.Add("a b", "");
  EXPECT_FALSE(DecodeStateFile(EncodeStateFile(file)).ok());
}

TEST(CheckFormatTest, KnownSections) { EXPECT_TRUE(CheckFormat(Sample()).ok()); }

TEST(CheckFormatTest, NewerFormat) {
  StateFile newer = Sample();
  newer.format_version = kFormatVersion + 1;
  const absl::StatusOr<StateFile> read = DecodeStateFile(EncodeStateFile(newer));
  ASSERT_TRUE(read.ok());  // firn inspect shows it
  EXPECT_THAT(CheckFormat(*read).message(), HasSubstr("use a newer firn"));
}

TEST(CheckFormatTest, UnknownSections) {
  StateFile file = Sample();
  file.Add("nested/0", "", /*mandatory=*/false);
  EXPECT_TRUE(CheckFormat(file).ok());
  file.Add("nested/1", "");
  EXPECT_THAT(CheckFormat(file).message(), HasSubstr("nested/1"));
  StateFile gic = Sample();
  gic.Add("gic/its", "");
  EXPECT_THAT(CheckFormat(gic).message(), HasSubstr("gic/its"));
}

}  // namespace
}  // namespace firn
