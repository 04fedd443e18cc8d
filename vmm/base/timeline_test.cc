// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/timeline.h"

#include <gtest/gtest.h>

namespace firn {
namespace {

TEST(TimelineTest, CountsWallTimeFromItsBeginningAndCpuTimeFromTheProcesss) {
  HostTimes now = {.wall = 1'000'000, .cpu = 500};
  Timeline timeline([&] { return now; });
  EXPECT_EQ(timeline.Now().wall_ns, 0u);
  now = {.wall = 1'000'300, .cpu = 700};
  timeline.Mark("first");
  now = {.wall = 1'000'900, .cpu = 900};
  timeline.Mark("second");
  EXPECT_EQ(timeline.Now().wall_ns, 900u);
  EXPECT_EQ(timeline.Now().cpu_ns, 900u);
  const std::vector<Milestone> milestones = timeline.milestones();
  ASSERT_EQ(milestones.size(), 2u);
  EXPECT_EQ(milestones[0].name, "first");
  EXPECT_EQ(milestones[0].wall_ns, 300u);
  EXPECT_EQ(milestones[0].cpu_ns, 700u);
  EXPECT_EQ(milestones[1].name, "second");
  EXPECT_EQ(milestones[1].wall_ns, 900u);
}

TEST(TimelineTest, OnlyTheFirstTimeCounts) {
  HostTimes now;
  Timeline timeline([&] { return now; });
  now.wall = 10;
  timeline.Mark("machine created");
  now.wall = 20;
  timeline.Mark("machine created");  // another one, after a reboot
  ASSERT_EQ(timeline.milestones().size(), 1u);
  EXPECT_EQ(timeline.milestones()[0].wall_ns, 10u);
}

TEST(TimelineTest, TheHostsClocksGoForward) {
  const HostTimes before = ReadHostTimes();
  HostTimes after = before;
  while (after.wall == before.wall || after.cpu == before.cpu) after = ReadHostTimes();
  EXPECT_GT(after.wall, before.wall);
  EXPECT_GT(after.cpu, before.cpu);
}

}  // namespace
}  // namespace firn
