// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/machine_clock.h"

#include <gtest/gtest.h>

namespace firn::software {
namespace {

TEST(MachineClockTest, VirtualTimeIsInstructionsAndSkippedTime) {
  MachineClock clock(/*real=*/false);
  EXPECT_FALSE(clock.is_real());
  EXPECT_EQ(clock.Now(), 0u);
  clock.AddInstructions(1000);
  EXPECT_EQ(clock.Now(), 1000u);
  EXPECT_EQ(clock.instructions(), 1000u);
  clock.SkipTo(5000);
  EXPECT_EQ(clock.Now(), 5000u);
  EXPECT_EQ(clock.instructions(), 1000u);
  clock.SkipTo(4000);  // never back
  EXPECT_EQ(clock.Now(), 5000u);
  clock.AddInstructions(-200);  // a block that was counted but not executed
  EXPECT_EQ(clock.Now(), 4800u);
}

TEST(MachineClockTest, CounterTicksEvery16Nanoseconds) {
  EXPECT_EQ(kCounterFrequency, 62'500'000u);
  MachineClock clock(false);
  clock.AddInstructions(15);
  EXPECT_EQ(clock.Counter(), 0u);
  clock.AddInstructions(1);
  EXPECT_EQ(clock.Counter(), 1u);
}

TEST(MachineClockTest, OffsetIsSubtracted) {
  MachineClock clock(false);
  clock.AddInstructions(16 * 100);
  clock.SetOffset(40);
  EXPECT_EQ(clock.Counter(), 60u);
  clock.SetCounter(123456);
  EXPECT_EQ(clock.Counter(), 123456u);
  clock.AddInstructions(16);
  EXPECT_EQ(clock.Counter(), 123457u);
}

TEST(MachineClockTest, EachCounterHasItsOffset) {
  MachineClock clock(false);
  clock.AddInstructions(16 * 100);
  clock.SetPhysicalCounter(5000);
  EXPECT_EQ(clock.PhysicalCounter(), 5000u);
  EXPECT_EQ(clock.Counter(), 100u);
  clock.SetCounter(7);
  EXPECT_EQ(clock.PhysicalCounter(), 5000u);
  EXPECT_EQ(clock.Counter(), 7u);
  EXPECT_EQ(clock.WhenPhysicalCounterReaches(5001), 1616u);
  EXPECT_EQ(clock.WhenCounterReaches(9), 1632u);
  clock.SetOffset(40);  // of both
  EXPECT_EQ(clock.PhysicalCounter(), 60u);
  EXPECT_EQ(clock.Counter(), 60u);
}

TEST(MachineClockTest, WhenIsTheFirstNanosecondOfTheTick) {
  MachineClock clock(false);
  for (uint64_t now : {0u, 1u, 15u, 16u, 1000u, 1007u}) {
    MachineClock at(false);
    at.AddInstructions(static_cast<int64_t>(now));
    for (uint64_t ticks : {1u, 2u, 1000u}) {
      const uint64_t target = at.Counter() + ticks;
      const uint64_t when = at.WhenCounterReaches(target);
      MachineClock before(false), then(false);
      before.AddInstructions(static_cast<int64_t>(when - 1));
      then.AddInstructions(static_cast<int64_t>(when));
      EXPECT_EQ(before.Counter(), target - 1) << now << " " << ticks;
      EXPECT_EQ(then.Counter(), target) << now << " " << ticks;
    }
  }
}

TEST(MachineClockTest, WhenIsNowForWhatHasPassed) {
  MachineClock clock(false);
  clock.AddInstructions(16 * 100 + 5);
  EXPECT_EQ(clock.WhenCounterReaches(100), 1605u);
  EXPECT_EQ(clock.WhenCounterReaches(0), 1605u);
}

// Unsigned, as the timer compares.
TEST(MachineClockTest, WhenIsNeverForWhatIsBeyondTime) {
  MachineClock clock(false);
  clock.AddInstructions(16 * 100);
  EXPECT_EQ(clock.WhenCounterReaches(kNever), kNever);
  EXPECT_EQ(clock.WhenCounterReaches(uint64_t{1} << 63), kNever);
  EXPECT_EQ(clock.WhenCounterReaches(uint64_t{1} << 60), kNever);
  EXPECT_EQ(clock.WhenCounterReaches((uint64_t{1} << 60) - 1), ((uint64_t{1} << 60) - 1) * 16);
}

TEST(MachineClockTest, WhenCountsFromTheOffsetCounter) {
  MachineClock clock(false);
  clock.SetCounter(1'000'000);
  EXPECT_EQ(clock.WhenCounterReaches(1'000'010), 160u);
  clock.SetCounter(kNever - 4);  // a guest restored close to the end of the counter
  EXPECT_EQ(clock.WhenCounterReaches(kNever), 64u);
}

TEST(MachineClockTest, RealTimeAdvancesByItselfAndCannotBeSkipped) {
  MachineClock clock(/*real=*/true);
  const uint64_t first = clock.Now();
  while (clock.Now() == first) {
  }
  clock.SkipTo(kNever - 1);
  EXPECT_LT(clock.Now(), uint64_t{1} << 62);
}

}  // namespace
}  // namespace firn::software
