// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/event_fds.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr GuestAddress kAddress(0x1000);

class IoEventFdsTest : public ::testing::Test {
 protected:
  absl::Status Register(uint32_t length, std::optional<uint64_t> datamatch = std::nullopt,
                        bool deassign = false) {
    return fds_.Register({.address = kAddress,
                          .length = length,
                          .fd = event_.fd(),
                          .datamatch = datamatch,
                          .deassign = deassign});
  }
  IoEventFds fds_;
  EventFd event_ = *EventFd::Create();
  EventFd other_ = *EventFd::Create();
};

TEST_F(IoEventFdsTest, LengthIsAPowerOfTwoUpToEight) {
  for (uint32_t length : {3u, 5u, 6u, 7u, 9u, 16u, 0xffffffffu}) {
    EXPECT_EQ(GetErrno(Register(length)), EINVAL) << length;
  }
  for (uint32_t length : {0u, 1u, 2u, 4u, 8u}) {
    EXPECT_TRUE(Register(length).ok()) << length;
    EXPECT_TRUE(Register(length, std::nullopt, true).ok()) << length;
  }
}

TEST_F(IoEventFdsTest, MatchesAddressAndLength) {
  ASSERT_TRUE(Register(4).ok());
  EXPECT_FALSE(fds_.Signal(kAddress, 2, 0));
  EXPECT_FALSE(fds_.Signal(kAddress, 8, 0));
  EXPECT_FALSE(fds_.Signal(GuestAddress(kAddress.value + 1), 4, 0));
  EXPECT_EQ(event_.Take(), 0u);
  EXPECT_TRUE(fds_.Signal(kAddress, 4, 123));
  EXPECT_TRUE(fds_.Signal(kAddress, 4, 0));
  EXPECT_EQ(event_.Take(), 2u);
}

TEST_F(IoEventFdsTest, LengthZeroTakesEveryLength) {
  ASSERT_TRUE(Register(0).ok());
  for (uint32_t size : {1u, 2u, 4u, 8u}) EXPECT_TRUE(fds_.Signal(kAddress, size, 7)) << size;
  EXPECT_EQ(event_.Take(), 4u);
}

TEST_F(IoEventFdsTest, DatamatchIsOfTheStoredValue) {
  ASSERT_TRUE(Register(2, 5).ok());
  EXPECT_FALSE(fds_.Signal(kAddress, 2, 6));
  EXPECT_FALSE(fds_.Signal(kAddress, 4, 5));
  EXPECT_TRUE(fds_.Signal(kAddress, 2, 5));
  EXPECT_EQ(event_.Take(), 1u);
  EXPECT_EQ(GetErrno(Register(0, 5)), EINVAL);
}

TEST_F(IoEventFdsTest, EachDatamatchHasItsEventFd) {
  ASSERT_TRUE(Register(4, 0).ok());
  ASSERT_TRUE(
      fds_.Register({.address = kAddress, .length = 4, .fd = other_.fd(), .datamatch = 1}).ok());
  EXPECT_TRUE(fds_.Signal(kAddress, 4, 1));
  EXPECT_EQ(event_.Take(), 0u);
  EXPECT_EQ(other_.Take(), 1u);
}

TEST_F(IoEventFdsTest, SameStoreTwiceIsEexist) {
  ASSERT_TRUE(Register(4, 5).ok());
  EXPECT_EQ(GetErrno(Register(4, 5)), EEXIST);
  EXPECT_EQ(GetErrno(Register(4)), EEXIST);  // every value, 5 too
  EXPECT_EQ(GetErrno(Register(0)), EEXIST);  // every length
  EXPECT_TRUE(Register(4, 6).ok());
  EXPECT_TRUE(Register(2).ok());
}

TEST_F(IoEventFdsTest, DeassignWantsAllTheSame) {
  ASSERT_TRUE(Register(4, 5).ok());
  EXPECT_EQ(GetErrno(Register(4, 6, true)), ENOENT);
  EXPECT_EQ(GetErrno(Register(4, std::nullopt, true)), ENOENT);
  EXPECT_EQ(GetErrno(Register(2, 5, true)), ENOENT);
  EXPECT_EQ(
      GetErrno(fds_.Register(
          {.address = kAddress, .length = 4, .fd = other_.fd(), .datamatch = 5, .deassign = true})),
      ENOENT);
  EXPECT_TRUE(fds_.Signal(kAddress, 4, 5));
  EXPECT_TRUE(Register(4, 5, true).ok());
  EXPECT_FALSE(fds_.Signal(kAddress, 4, 5));
  EXPECT_EQ(GetErrno(Register(4, 5, true)), ENOENT);
}

TEST_F(IoEventFdsTest, BadDescriptors) {
  EXPECT_EQ(GetErrno(fds_.Register({.address = kAddress, .length = 4, .fd = -1})), EBADF);
  EXPECT_EQ(GetErrno(fds_.Register({.address = kAddress, .length = 4, .fd = 9999})), EBADF);
  FileDescriptor file(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(GetErrno(fds_.Register({.address = kAddress, .length = 4, .fd = file.get()})), EINVAL);
  EXPECT_FALSE(fds_.Signal(kAddress, 4, 0));
}

TEST_F(IoEventFdsTest, AddressMayNotWrap) {
  EXPECT_EQ(GetErrno(fds_.Register(
                {.address = GuestAddress(~uint64_t{0}), .length = 4, .fd = event_.fd()})),
            EINVAL);
}

// As in the kernel, the registration keeps the eventfd.
TEST_F(IoEventFdsTest, OutlivesTheCallersDescriptor) {
  FileDescriptor copy(fcntl(event_.fd(), F_DUPFD_CLOEXEC, 0));
  ASSERT_TRUE(fds_.Register({.address = kAddress, .length = 4, .fd = copy.get()}).ok());
  copy.Reset();
  EXPECT_TRUE(fds_.Signal(kAddress, 4, 0));
  EXPECT_EQ(event_.Take(), 1u);
}

class IrqFdsTest : public ::testing::Test {
 protected:
  std::vector<std::pair<uint32_t, bool>> Poll() {
    std::vector<std::pair<uint32_t, bool>> raised;
    fds_.Poll([&](uint32_t gsi, bool resample) { raised.push_back({gsi, resample}); });
    return raised;
  }
  IrqFds fds_ = *IrqFds::Create();
  EventFd event_ = *EventFd::Create();
  EventFd resample_ = *EventFd::Create();
};

TEST_F(IrqFdsTest, SignalsRaiseOnce) {
  ASSERT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7}).ok());
  EXPECT_THAT(Poll(), IsEmpty());
  event_.Signal();
  event_.Signal();
  EXPECT_THAT(Poll(), ElementsAre(Pair(7u, false)));
  EXPECT_THAT(Poll(), IsEmpty());
  event_.Signal();
  EXPECT_THAT(Poll(), ElementsAre(Pair(7u, false)));
}

TEST_F(IrqFdsTest, ManyAtOnceAreAllSeen) {
  std::vector<EventFd> events;
  for (uint32_t n = 0; n < 100; ++n) {
    events.push_back(*EventFd::Create());
    ASSERT_TRUE(fds_.Register({.fd = events.back().fd(), .gsi = n}).ok());
  }
  for (const EventFd& event : events) event.Signal();
  EXPECT_EQ(Poll().size(), 100u);
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(IrqFdsTest, Errors) {
  ASSERT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7}).ok());
  EXPECT_EQ(GetErrno(fds_.Register({.fd = event_.fd(), .gsi = 7})), EBUSY);
  EXPECT_EQ(GetErrno(fds_.Register({.fd = event_.fd(), .gsi = 8})), EBUSY);
  EXPECT_EQ(GetErrno(fds_.Register({.fd = -1, .gsi = 8})), EBADF);
  EXPECT_EQ(GetErrno(fds_.Register({.fd = -1, .gsi = 8, .deassign = true})), EBADF);
  EXPECT_EQ(GetErrno(fds_.Register({.fd = resample_.fd(), .gsi = 8, .resample_fd = -1})), EBADF);
  FileDescriptor file(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(GetErrno(fds_.Register({.fd = file.get(), .gsi = 8})), EINVAL);
  EXPECT_EQ(GetErrno(fds_.Register({.fd = resample_.fd(), .gsi = 8, .resample_fd = file.get()})),
            EINVAL);
}

TEST_F(IrqFdsTest, DeassignStopsIt) {
  ASSERT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7}).ok());
  EXPECT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 8, .deassign = true})
                  .ok());  // not that one: nothing happens
  event_.Signal();
  EXPECT_THAT(Poll(), ElementsAre(Pair(7u, false)));
  EXPECT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7, .deassign = true}).ok());
  event_.Signal();
  EXPECT_THAT(Poll(), IsEmpty());
  event_.Take();
  EXPECT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 9}).ok());
  event_.Signal();
  EXPECT_THAT(Poll(), ElementsAre(Pair(9u, false)));
}

TEST_F(IrqFdsTest, ResampleSignalsTheFdOfItsGsi) {
  EventFd plain = *EventFd::Create();
  ASSERT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7, .resample_fd = resample_.fd()}).ok());
  ASSERT_TRUE(fds_.Register({.fd = plain.fd(), .gsi = 8}).ok());
  event_.Signal();
  EXPECT_THAT(Poll(), ElementsAre(Pair(7u, true)));
  EXPECT_FALSE(fds_.Resample(8));
  EXPECT_FALSE(fds_.Resample(9));
  EXPECT_EQ(resample_.Take(), 0u);
  EXPECT_TRUE(fds_.Resample(7));
  EXPECT_EQ(resample_.Take(), 1u);
}

TEST_F(IrqFdsTest, BlockingEventFdDoesNotBlockThePoll) {
  ASSERT_EQ(fcntl(event_.fd(), F_SETFL, fcntl(event_.fd(), F_GETFL) & ~O_NONBLOCK), 0);
  ASSERT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7}).ok());
  event_.Signal();
  EXPECT_THAT(Poll(), ElementsAre(Pair(7u, false)));
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(IrqFdsTest, WaitEndsWithASignalAWakeOrTime) {
  ASSERT_TRUE(fds_.Register({.fd = event_.fd(), .gsi = 7}).ok());
  event_.Signal();
  fds_.Wait(std::nullopt);
  EXPECT_EQ(Poll().size(), 1u);
  fds_.Wake();
  fds_.Wait(std::nullopt);
  EXPECT_THAT(Poll(), IsEmpty());  // and takes the wake
  fds_.Wait(1'000'000);
  fds_.Wait(0);
  std::thread signaller([&] { event_.Signal(); });
  fds_.Wait(std::nullopt);
  signaller.join();
  EXPECT_EQ(Poll().size(), 1u);
}

TEST(AlarmFdTest, RingsOnceAndHoldsTheFileItself) {
  AlarmFd alarm;
  EXPECT_EQ(alarm.counter(), std::nullopt);
  const EventFd event = *EventFd::Create();
  const int copy = dup(event.fd());
  ASSERT_TRUE(alarm.Set(CounterAlarm{.counter = 7, .fd = copy}).ok());
  close(copy);
  EXPECT_EQ(alarm.counter(), 7u);
  alarm.Ring();
  EXPECT_EQ(event.Take(), 1u);
  EXPECT_EQ(alarm.counter(), std::nullopt);
}

TEST(AlarmFdTest, ReplacesEndsAndRefuses) {
  AlarmFd alarm;
  const EventFd event = *EventFd::Create();
  const FileDescriptor file(open("/dev/null", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(alarm.Set(CounterAlarm{.counter = 7, .fd = event.fd()}).ok());
  ASSERT_TRUE(alarm.Set(CounterAlarm{.counter = 8, .fd = event.fd()}).ok());
  EXPECT_EQ(GetErrno(alarm.Set(CounterAlarm{.counter = 9, .fd = file.get()})), EINVAL);
  EXPECT_EQ(GetErrno(alarm.Set(CounterAlarm{.counter = 9, .fd = -1})), EBADF);
  EXPECT_EQ(alarm.counter(), 8u);
  ASSERT_TRUE(alarm.Set(std::nullopt).ok());
  EXPECT_EQ(alarm.counter(), std::nullopt);
  EXPECT_EQ(event.Take(), 0u);
}

}  // namespace
}  // namespace firn::software
