// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The model against the oracle, over random but repeatable sequences of every call.
#include "hypervisor/software/gicv5/random_operations.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace firn::software::gicv5 {
namespace {

class RandomOperationsTest : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, RandomOperationsTest, testing::Range(0u, 64u));

TEST_P(RandomOperationsTest, SelectionIsWhatTheOracleSays) {
  std::mt19937 random(GetParam());
  for (int round = 0; round < 4; ++round) {
    std::vector<uint8_t> bytes(2000);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    bytes[0] = static_cast<uint8_t>(GetParam());  // dialect, priority bits, how far initialised
    DoRandomOperations(bytes);
  }
}

}  // namespace
}  // namespace firn::software::gicv5
