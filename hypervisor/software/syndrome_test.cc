// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/syndrome.h"

#include <gtest/gtest.h>

namespace firn::software {
namespace {

TEST(SyndromeTest, Class) {
  EXPECT_EQ(SyndromeClass(0), kEcUnknown);
  EXPECT_EQ(SyndromeClass(0x25u << 26 | 0x3ffffff), kEcDataAbortSame);
  EXPECT_EQ(SyndromeClass(0xffffffff), 0x3fu);
}

// Each field alone, and all others set.
TEST(SyndromeTest, DataAbortFields) {
  const DataAbort none(0x24u << 26 | 1u << 25);
  EXPECT_FALSE(none.has_instruction());
  EXPECT_EQ(none.size(), 1u);
  EXPECT_FALSE(none.sign_extends());
  EXPECT_EQ(none.reg(), 0u);
  EXPECT_FALSE(none.is_64_bit());
  EXPECT_FALSE(none.on_table_walk());
  EXPECT_FALSE(none.is_write());
  EXPECT_TRUE(DataAbort(1u << 24).has_instruction());
  EXPECT_EQ(DataAbort(1u << 22).size(), 2u);
  EXPECT_EQ(DataAbort(2u << 22).size(), 4u);
  EXPECT_EQ(DataAbort(3u << 22).size(), 8u);
  EXPECT_TRUE(DataAbort(1u << 21).sign_extends());
  EXPECT_EQ(DataAbort(31u << 16).reg(), 31u);
  EXPECT_TRUE(DataAbort(1u << 15).is_64_bit());
  EXPECT_TRUE(DataAbort(1u << 7).on_table_walk());
  EXPECT_TRUE(DataAbort(1u << 6).is_write());
  EXPECT_FALSE(DataAbort(~(1u << 6)).is_write());
  EXPECT_FALSE(DataAbort(~(1u << 7)).on_table_walk());
  EXPECT_FALSE(DataAbort(~(1u << 24)).has_instruction());
}

}  // namespace
}  // namespace firn::software
