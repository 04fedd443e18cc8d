// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/generic_timer.h"

#include <gtest/gtest.h>

namespace firn::software {
namespace {

constexpr uint64_t kEnable = 1, kMask = 2, kStatus = 4;

TEST(GenericTimerTest, ResetIsDisabled) {
  const Timer timer;
  EXPECT_FALSE(timer.IsArmed());
  EXPECT_FALSE(timer.Line(~uint64_t{0}));
  EXPECT_EQ(timer.ReadCtl(100), 0u);
}

TEST(GenericTimerTest, LineRisesWhenTheCounterReachesCval) {
  Timer timer;
  timer.WriteCval(1000);
  timer.WriteCtl(kEnable);
  EXPECT_TRUE(timer.IsArmed());
  EXPECT_FALSE(timer.Line(999));
  EXPECT_TRUE(timer.Line(1000));
  EXPECT_TRUE(timer.Line(1001));
  timer.WriteCval(2000);
  EXPECT_FALSE(timer.Line(1001));
}

TEST(GenericTimerTest, MaskKeepsTheStatusButNotTheLine) {
  Timer timer;
  timer.WriteCval(1000);
  timer.WriteCtl(kEnable | kMask);
  EXPECT_FALSE(timer.IsArmed());
  EXPECT_FALSE(timer.Line(1000));
  EXPECT_EQ(timer.ReadCtl(1000), kEnable | kMask | kStatus);
  EXPECT_EQ(timer.ReadCtl(999), kEnable | kMask);
}

TEST(GenericTimerTest, StatusIsReadOnlyAndOfAnEnabledTimer) {
  Timer timer;
  timer.WriteCtl(~uint64_t{0});
  EXPECT_EQ(timer.ReadCtl(0), kEnable | kMask | kStatus);  // cval 0 is due
  timer.WriteCtl(kStatus);
  EXPECT_EQ(timer.ReadCtl(0), 0u);
}

TEST(GenericTimerTest, TvalIsASigned32BitViewOfCval) {
  Timer timer;
  timer.WriteTval(100, 5000);
  EXPECT_EQ(timer.cval(), 5100u);
  EXPECT_EQ(timer.ReadTval(5000), 100u);
  EXPECT_EQ(timer.ReadTval(5200), 0xffffff9cu);  // -100
  timer.WriteTval(0xffffffff, 5000);             // -1
  EXPECT_EQ(timer.cval(), 4999u);
  timer.WriteTval(0x1'0000'0005, 5000);  // bits above 31 are ignored
  EXPECT_EQ(timer.cval(), 5005u);
}

// The comparison is of unsigned 64-bit values: a cval of all ones is never, not the past.
TEST(GenericTimerTest, FarFutureIsNotDue) {
  Timer timer;
  timer.WriteCval(~uint64_t{0});
  timer.WriteCtl(kEnable);
  EXPECT_FALSE(timer.Line(0));
  EXPECT_FALSE(timer.Line(uint64_t{1} << 63));
  EXPECT_TRUE(timer.Line(~uint64_t{0}));
}

}  // namespace
}  // namespace firn::software
