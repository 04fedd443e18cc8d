// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <time.h>

#include <cerrno>
#include <limits>

#include "arch-aarch64/mock_vm.h"
#include "hypervisor/errno_status.h"
#include "vmm/machine/guest_alarm.h"
#include "vmm/machine/guest_wall_clock.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::NiceMock;
using ::testing::Return;

constexpr uint64_t kFrequency = 62'500'000;

bool IsReadable(int fd, int milliseconds) {
  pollfd poll_fd = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&poll_fd, 1, milliseconds) == 1;
}

class GuestTimeTest : public ::testing::Test {
 protected:
  GuestTimeTest() {
    ON_CALL(vm_, CounterFrequency).WillByDefault(Return(kFrequency));
    ON_CALL(vm_, Counter).WillByDefault([this] { return counter_; });
    ON_CALL(vm_, SetCounterAlarm).WillByDefault([this](const std::optional<CounterAlarm>& alarm) {
      alarm_ = alarm;
      return absl::OkStatus();
    });
  }
  uint64_t counter_ = 0;
  std::optional<CounterAlarm> alarm_;
  NiceMock<MockVm> vm_;
};

TEST_F(GuestTimeTest, ADeterministicClockCountsWithTheGuest) {
  const std::unique_ptr<WallClock> clock = MakeWallClock(vm_, /*is_deterministic=*/true);
  EXPECT_EQ(clock->Seconds(), kDeterministicEpoch);
  counter_ = 100 * kFrequency - 1;
  EXPECT_EQ(clock->Seconds(), kDeterministicEpoch + 99);
  counter_ = 100 * kFrequency;
  EXPECT_EQ(clock->Seconds(), kDeterministicEpoch + 100);
}

TEST_F(GuestTimeTest, CounterAtIsTheFirstThatTellsTheSecond) {
  const std::unique_ptr<WallClock> clock = MakeWallClock(vm_, /*is_deterministic=*/true);
  for (const int64_t seconds : {1, 2, 3600, 1'000'000'000}) {
    counter_ = CounterAt(kDeterministicEpoch + seconds, kFrequency);
    EXPECT_EQ(clock->Seconds(), kDeterministicEpoch + seconds);
    --counter_;
    EXPECT_EQ(clock->Seconds(), kDeterministicEpoch + seconds - 1);
  }
  EXPECT_EQ(CounterAt(0, kFrequency), 0u);
  EXPECT_EQ(CounterAt(std::numeric_limits<int64_t>::min(), kFrequency), 0u);
  EXPECT_EQ(CounterAt(std::numeric_limits<int64_t>::max(), kFrequency),
            std::numeric_limits<uint64_t>::max());
}

TEST_F(GuestTimeTest, TheHostsClockIsTheHosts) {
  const std::unique_ptr<WallClock> clock = MakeWallClock(vm_, /*is_deterministic=*/false);
  const int64_t before = time(nullptr);
  EXPECT_GE(clock->Seconds(), before);
}

TEST_F(GuestTimeTest, ADeterministicAlarmIsTheCounters) {
  absl::StatusOr<std::unique_ptr<GuestAlarm>> alarm = MakeGuestAlarm(vm_, true);
  ASSERT_TRUE(alarm.ok()) << alarm.status();
  (*alarm)->Set(kDeterministicEpoch + 5);
  ASSERT_TRUE(alarm_);
  EXPECT_EQ(alarm_->counter, 5 * kFrequency);
  EXPECT_EQ(alarm_->fd, (*alarm)->fd());
  EXPECT_FALSE(IsReadable((*alarm)->fd(), 0));
  const uint64_t one = 1;
  ASSERT_EQ(write(alarm_->fd, &one, sizeof(one)), ssize_t{sizeof(one)});
  EXPECT_TRUE(IsReadable((*alarm)->fd(), 0));
  (*alarm)->Take();
  EXPECT_FALSE(IsReadable((*alarm)->fd(), 0));
  (*alarm)->Set(std::nullopt);
  EXPECT_FALSE(alarm_);
}

TEST_F(GuestTimeTest, AVmWithoutCounterAlarmIsAnError) {
  EXPECT_CALL(vm_, SetCounterAlarm(_)).WillOnce(Return(ErrnoStatus(EINVAL, "counter alarm")));
  EXPECT_EQ(GetErrno(MakeGuestAlarm(vm_, true).status()), EINVAL);
}

TEST_F(GuestTimeTest, TheHostsAlarmGoesOffAtItsSecondAndNotBefore) {
  absl::StatusOr<std::unique_ptr<GuestAlarm>> alarm = MakeGuestAlarm(vm_, false);
  ASSERT_TRUE(alarm.ok()) << alarm.status();
  const std::unique_ptr<WallClock> clock = MakeWallClock(vm_, false);
  const int64_t now = clock->Seconds();
  (*alarm)->Set(now + 1'000'000);
  EXPECT_FALSE(IsReadable((*alarm)->fd(), 0));
  (*alarm)->Set(now + 1);
  ASSERT_TRUE(IsReadable((*alarm)->fd(), -1));
  EXPECT_GE(clock->Seconds(), now + 1);
  (*alarm)->Take();
  EXPECT_FALSE(IsReadable((*alarm)->fd(), 0));
  for (const int64_t past : {now, int64_t{0}, int64_t{-5}}) {
    (*alarm)->Set(past);
    EXPECT_TRUE(IsReadable((*alarm)->fd(), -1)) << past;
  }
  (*alarm)->Set(std::nullopt);
  EXPECT_FALSE(IsReadable((*alarm)->fd(), 0));
}

}  // namespace
}  // namespace firn
