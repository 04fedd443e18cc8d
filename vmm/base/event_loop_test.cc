// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/event_fd.h"

namespace firn {
namespace {

using ::testing::ElementsAre;

class EventLoopTest : public ::testing::Test {
 protected:
  EventLoopTest() : loop_(*EventLoop::Create()), event_(*EventFd::Create()) {}

  std::unique_ptr<EventLoop> loop_;
  EventFd event_;
};

TEST_F(EventLoopTest, StopBeforeRunEndsTheNextRunOnly) {
  loop_->Stop();
  EXPECT_TRUE(loop_->Run().ok());
  bool ran = false;
  loop_->Post([&] {
    ran = true;
    loop_->Stop();
  });
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, PostedWorkRunsInOrder) {
  std::vector<int> order;
  loop_->Post([&] { order.push_back(1); });
  loop_->Post([&] {
    order.push_back(2);
    loop_->Post([&] {
      order.push_back(4);
      loop_->Stop();
    });
  });
  loop_->Post([&] { order.push_back(3); });
  ASSERT_TRUE(loop_->Run().ok());
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
}

TEST_F(EventLoopTest, RunDispatchesDevices) {
  uint64_t taken = 0;
  ASSERT_TRUE(loop_
                  ->AddDevice(event_.fd(),
                              [&] {
                                taken += event_.Take();
                                loop_->Stop();
                              })
                  .ok());
  event_.Signal();
  event_.Signal();
  ASSERT_TRUE(loop_->Run().ok());
  EXPECT_EQ(taken, 2u);
}

TEST_F(EventLoopTest, RunLeavesDevicesToSettleWhereTold) {
  int calls = 0;
  ASSERT_TRUE(loop_
                  ->AddDevice(event_.fd(),
                              [&] {
                                event_.Take();
                                ++calls;
                              })
                  .ok());
  ASSERT_TRUE(loop_->SetRunDispatchesDevices(false).ok());
  event_.Signal();
  loop_->Post([&] { loop_->Post([&] { loop_->Stop(); }); });
  ASSERT_TRUE(loop_->Run().ok());
  EXPECT_EQ(calls, 0);
  loop_->Settle();
  EXPECT_EQ(calls, 1);

  ASSERT_TRUE(loop_->SetRunDispatchesDevices(true).ok());
  event_.Signal();
  loop_->Post([&] { loop_->Post([&] { loop_->Stop(); }); });
  ASSERT_TRUE(loop_->Run().ok());
  EXPECT_EQ(calls, 2);
}

TEST_F(EventLoopTest, SettleDispatchesUntilNothingIsLeft) {
  EventFd second = *EventFd::Create();
  int rounds = 0;
  ASSERT_TRUE(loop_
                  ->AddDevice(event_.fd(),
                              [&] {
                                if (event_.Take() > 0 && ++rounds < 3) second.Signal();
                              })
                  .ok());
  ASSERT_TRUE(loop_
                  ->AddDevice(second.fd(),
                              [&] {
                                if (second.Take() > 0) event_.Signal();
                              })
                  .ok());
  event_.Signal();
  loop_->Settle();
  EXPECT_EQ(rounds, 3);
  EXPECT_EQ(event_.Take(), 0u);
  EXPECT_EQ(second.Take(), 0u);
}

TEST_F(EventLoopTest, SettleRunsNoMonitorEvent) {
  int calls = 0;
  ASSERT_TRUE(loop_->AddMonitor(event_.fd(), [&] { ++calls; }).ok());
  event_.Signal();
  loop_->Post([&] { ++calls; });
  loop_->Settle();
  EXPECT_EQ(calls, 0);
}

TEST_F(EventLoopTest, SettleFromManyThreadsTakesEachSignalOnce) {
  std::atomic<uint64_t> taken = 0;
  std::atomic<int> inside = 0;
  std::atomic<bool> overlapped = false;
  ASSERT_TRUE(loop_
                  ->AddDevice(event_.fd(),
                              [&] {
                                if (inside.fetch_add(1) != 0) overlapped = true;
                                taken += event_.Take();
                                inside.fetch_sub(1);
                              })
                  .ok());
  std::thread main([&] { ASSERT_TRUE(loop_->Run().ok()); });
  std::vector<std::thread> vcpus;
  constexpr int kThreads = 4, kSignals = 500;
  for (int i = 0; i < kThreads; ++i) {
    vcpus.emplace_back([&] {
      for (int n = 0; n < kSignals; ++n) {
        event_.Signal();
        loop_->Settle();
      }
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  // Every signal was followed by a Settle, so nothing is left even while Run still runs.
  EXPECT_EQ(taken, uint64_t{kThreads * kSignals});
  loop_->Stop();
  main.join();
  EXPECT_FALSE(overlapped);
}

TEST_F(EventLoopTest, RemovedDeviceIsNotCalled) {
  int calls = 0;
  ASSERT_TRUE(loop_->AddDevice(event_.fd(), [&] { ++calls; }).ok());
  event_.Signal();
  loop_->RemoveDevice(event_.fd());
  loop_->Settle();
  EXPECT_EQ(calls, 0);
  loop_->RemoveDevice(event_.fd());
}

TEST_F(EventLoopTest, MonitorHandlerMayRemoveItselfAndAnother) {
  EventFd second = *EventFd::Create();
  int calls = 0;
  auto handler = [&] {
    ++calls;
    loop_->RemoveMonitor(event_.fd());
    loop_->RemoveMonitor(second.fd());
    loop_->Stop();
  };
  ASSERT_TRUE(loop_->AddMonitor(event_.fd(), handler).ok());
  ASSERT_TRUE(loop_->AddMonitor(second.fd(), handler).ok());
  event_.Signal();
  second.Signal();
  ASSERT_TRUE(loop_->Run().ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, MonitorWaitsForTheEventsThatItIsTold) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const FileDescriptor near(ends[0]);
  FileDescriptor far(ends[1]);
  ASSERT_EQ(write(far.get(), "x", 1), 1);
  std::vector<int> order;
  int turn = 0;
  ASSERT_TRUE(loop_
                  ->AddMonitor(near.get(),
                               [&] {
                                 order.push_back(++turn);
                                 if (turn == 1) {
                                   loop_->SetMonitorEvents(near.get(), EPOLLOUT);
                                 } else if (turn == 2) {
                                   // Readable and writable, but that does not matter now; hanging
                                   // up does.
                                   loop_->SetMonitorEvents(near.get(), 0);
                                   loop_->Post([&] {
                                     order.push_back(0);
                                     far.Reset();
                                   });
                                 } else {
                                   loop_->Stop();
                                   loop_->RemoveMonitor(near.get());
                                 }
                               })
                  .ok());
  ASSERT_TRUE(loop_->Run().ok());
  EXPECT_THAT(order, ElementsAre(1, 2, 0, 3));
}

TEST_F(EventLoopTest, RefusesWhatCannotBeWaitedFor) {
  FileDescriptor file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(GetErrno(loop_->AddMonitor(file.get(), [] {})), EPERM);
  EXPECT_EQ(GetErrno(loop_->AddDevice(-1, [] {})), EBADF);
  ASSERT_TRUE(loop_->AddDevice(event_.fd(), [] {}).ok());
  EXPECT_EQ(GetErrno(loop_->AddDevice(event_.fd(), [] {})), EEXIST);
}

TEST_F(EventLoopTest, DevicesAreServedBesideOtherWork) {
  absl::Notification served;
  ASSERT_TRUE(loop_
                  ->AddDevice(event_.fd(),
                              [&] {
                                event_.Take();
                                served.Notify();
                              })
                  .ok());
  bool was_served = false;
  loop_->RunBeside([&] {
    event_.Signal();
    was_served = served.WaitForNotificationWithTimeout(absl::Seconds(30));
  });
  EXPECT_TRUE(was_served);
}

TEST_F(EventLoopTest, WorkIsDoneInPlaceWhereRunDoesNotServeDevices) {
  ASSERT_TRUE(loop_->SetRunDispatchesDevices(false).ok());
  pthread_t thread = {};
  loop_->RunBeside([&] { thread = pthread_self(); });
  EXPECT_TRUE(pthread_equal(thread, pthread_self()));
}

}  // namespace
}  // namespace firn
