// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/entropy.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace firn {
namespace {

std::vector<uint64_t> Words(Entropy& entropy, size_t count) {
  std::vector<uint64_t> words(count);
  entropy.Fill({reinterpret_cast<std::byte*>(words.data()), count * sizeof(uint64_t)});
  return words;
}

// What the authors' C code gives, seeded through SplitMix64.
TEST(SeededEntropyTest, IsXoshiro256StarStar) {
  SeededEntropy zero(0), one(1);
  EXPECT_EQ(Words(zero, 4), (std::vector<uint64_t>{0x99ec5f36cb75f2b4, 0xbf6e1f784956452a,
                                                   0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}));
  EXPECT_EQ(Words(one, 4), (std::vector<uint64_t>{0xb3f2af6d0fc710c5, 0x853b559647364cea,
                                                  0x92f89756082a4514, 0x642e1c7bc266a3a7}));
}

TEST(SeededEntropyTest, RepeatsByItsSeed) {
  SeededEntropy first(7), second(7), other(8);
  const std::vector<uint64_t> words = Words(first, 100);
  EXPECT_EQ(Words(second, 100), words);
  EXPECT_NE(Words(other, 100), words);
}

TEST(SeededEntropyTest, FillsEveryByteAndNoMore) {
  for (const size_t size : {0, 1, 7, 8, 9, 31}) {
    SeededEntropy entropy(7), reference(7);
    std::array<std::byte, 64> data{};
    entropy.Fill(absl::MakeSpan(data).first(size));
    const std::vector<uint64_t> words = Words(reference, 4);
    EXPECT_EQ(std::memcmp(data.data(), words.data(), size), 0) << size;
    for (size_t i = size; i < data.size(); ++i) EXPECT_EQ(data[i], std::byte{0}) << size;
  }
}

TEST(HostEntropyTest, GivesOtherBytesEachTime) {
  HostEntropy entropy;
  // More than getrandom gives at once where a signal comes.
  const std::vector<uint64_t> first = Words(entropy, 1024);
  EXPECT_NE(Words(entropy, 1024), first);
  EXPECT_NE(first[1023], first[1022]);
}

}  // namespace
}  // namespace firn
