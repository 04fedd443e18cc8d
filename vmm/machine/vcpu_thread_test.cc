// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/vcpu_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <optional>
#include <variant>

#include "absl/synchronization/notification.h"
#include "hypervisor/errno_status.h"
#include "vmm/testing/fake_vcpu.h"

namespace firn {
namespace {

class RecordingHandler : public VcpuExitHandler {
 public:
  void OnVcpuStart(uint32_t) override { ++starts; }
  void OnMmio(uint32_t, const MmioExit& exit) override {
    last_address = exit.address;
    if (!exit.is_write) exit.data[0] = std::byte{0x5a};
  }
  bool IsHalted() override { return halted; }
  void OnInstructionLimit(uint32_t) override { ++limits; }
  void OnVcpuStopped(uint32_t vcpu, absl::StatusOr<Exit> exit) override {
    id = vcpu;
    why = std::move(exit);
    ++stops;
    stopped.Notify();
  }

  // Written by the vCPU thread; read after `stopped`, a pause or a join.
  std::atomic<bool> halted = false;
  int starts = 0;
  int stops = 0;
  int limits = 0;
  GuestAddress last_address;
  uint32_t id = ~0u;
  std::optional<absl::StatusOr<Exit>> why;
  absl::Notification stopped;
};

class VcpuThreadTest : public ::testing::Test {
 protected:
  VcpuThreadTest() : vcpu_(3), thread_(*VcpuThread::Start(vcpu_, handler_)) {}

  testing::FakeVcpu vcpu_;
  RecordingHandler handler_;
  std::unique_ptr<VcpuThread> thread_;
};

TEST_F(VcpuThreadTest, StartsPaused) {
  thread_->WaitUntilPaused();
  EXPECT_EQ(vcpu_.runs(), 0);
  thread_->RequestStop();
  thread_->Join();
  EXPECT_EQ(vcpu_.runs(), 0);
  EXPECT_EQ(handler_.starts, 0);
}

TEST_F(VcpuThreadTest, AnswersMmio) {
  std::array<std::byte, 1> data = {};
  vcpu_.Queue(MmioExit{GuestAddress(0x9000000), false, absl::MakeSpan(data)});
  vcpu_.Queue(MmioExit{GuestAddress(0x9000008), true, absl::MakeSpan(data)});
  thread_->Resume();
  vcpu_.WaitForRun(3);
  thread_->RequestPause();
  thread_->WaitUntilPaused();
  EXPECT_EQ(data[0], std::byte{0x5a});
  EXPECT_EQ(handler_.last_address, GuestAddress(0x9000008));
  EXPECT_EQ(thread_->exit_counts().mmio_reads, 1u);
  EXPECT_EQ(thread_->exit_counts().mmio_writes, 1u);
  EXPECT_EQ(handler_.starts, 1);
}

TEST_F(VcpuThreadTest, SystemEventStopsIt) {
  vcpu_.Queue(SystemEventExit{kvm::kSystemEventShutdown});
  thread_->Resume();
  handler_.stopped.WaitForNotification();
  thread_->WaitUntilPaused();
  EXPECT_EQ(handler_.id, 3u);
  ASSERT_TRUE(handler_.why->ok());
  EXPECT_TRUE(std::holds_alternative<SystemEventExit>(**handler_.why));
  // It does not run again, whatever is asked.
  thread_->RequestPause();
  thread_->Resume();
  thread_->WaitUntilPaused();
  thread_->RequestStop();
  thread_->Join();
  EXPECT_EQ(vcpu_.runs(), 1);
  EXPECT_EQ(handler_.stops, 1);
  EXPECT_EQ(thread_->exit_counts().system_events, 1u);
}

TEST_F(VcpuThreadTest, InstructionLimitPausesIt) {
  vcpu_.Queue(InstructionLimitExit{});
  thread_->Resume();
  vcpu_.WaitForRun(1);
  thread_->WaitUntilPaused();
  EXPECT_EQ(handler_.limits, 1);
  EXPECT_EQ(handler_.stops, 0);
  thread_->Resume();
  vcpu_.WaitForRun(2);
  EXPECT_EQ(handler_.stops, 0);
}

TEST_F(VcpuThreadTest, HaltKeepsItOutAfterTheAccess) {
  std::array<std::byte, 1> data = {};
  handler_.halted = true;
  vcpu_.Queue(MmioExit{GuestAddress(0x9000000), true, absl::MakeSpan(data)});
  thread_->Resume();
  handler_.stopped.WaitForNotification();
  thread_->WaitUntilPaused();
  EXPECT_EQ(vcpu_.runs(), 1);
  EXPECT_EQ(handler_.last_address, GuestAddress(0x9000000));
}

TEST_F(VcpuThreadTest, HaltIsSeenAfterAKick) {
  thread_->Resume();
  vcpu_.WaitForRun(1);
  handler_.halted = true;
  vcpu_.Kick();
  handler_.stopped.WaitForNotification();
  thread_->WaitUntilPaused();
  EXPECT_EQ(thread_->exit_counts().kicks, 1u);
}

TEST_F(VcpuThreadTest, FailureOfRunStopsIt) {
  vcpu_.Queue(ErrnoStatus(ENXIO, "KVM_RUN"));
  thread_->Resume();
  handler_.stopped.WaitForNotification();
  thread_->WaitUntilPaused();
  EXPECT_EQ(GetErrno(handler_.why->status()), ENXIO);
  EXPECT_EQ(thread_->exit_counts().failures, 1u);
}

TEST_F(VcpuThreadTest, PauseCompletesTheLastExit) {
  thread_->Resume();
  vcpu_.WaitForRun(1);
  EXPECT_EQ(vcpu_.completions(), 0);
  thread_->RequestPause();
  thread_->WaitUntilPaused();
  EXPECT_EQ(vcpu_.completions(), 1);
  EXPECT_EQ(handler_.stops, 0);
}

TEST_F(VcpuThreadTest, FailureToCompleteIsReportedOnce) {
  vcpu_.set_complete_status(ErrnoStatus(EIO, "KVM_RUN"));
  thread_->Resume();
  vcpu_.WaitForRun(1);
  thread_->RequestPause();
  handler_.stopped.WaitForNotification();
  thread_->WaitUntilPaused();
  thread_->RequestStop();
  thread_->Join();
  EXPECT_EQ(GetErrno(handler_.why->status()), EIO);
  EXPECT_EQ(handler_.stops, 1);
}

TEST_F(VcpuThreadTest, KicksAreNeverLost) {
  for (int i = 0; i < 500; ++i) {
    const int runs = vcpu_.runs();  // the thread is out of Run: nobody counts meanwhile
    thread_->Resume();
    if (i % 3 == 0) vcpu_.WaitForRun(runs + 1);
    thread_->RequestPause();
    thread_->WaitUntilPaused();  // hangs, if one was
  }
  const int runs = vcpu_.runs();
  thread_->Resume();
  vcpu_.WaitForRun(runs + 1);
  thread_->RequestStop();
  thread_->Join();
  EXPECT_EQ(handler_.stops, 0);
  EXPECT_EQ(handler_.starts, 1);
}

TEST_F(VcpuThreadTest, WaitForAPauseThatDoesNotCome) {
  thread_->Resume();
  vcpu_.WaitForRun(1);
  EXPECT_FALSE(thread_->WaitUntilPaused(absl::InfinitePast()));
  thread_->RequestPause();
  EXPECT_TRUE(thread_->WaitUntilPaused(absl::InfiniteFuture()));
}

TEST_F(VcpuThreadTest, DestructionStopsARunningVcpu) {
  thread_->Resume();
  vcpu_.WaitForRun(1);
  thread_.reset();
  EXPECT_EQ(handler_.stops, 0);
}

TEST(VcpuThreadStartTest, ThreadThatCannotBeCreatedIsAnError) {
  // A stack for which there is no address space.
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_getattr_default_np(&attributes), 0);
  size_t before = 0;
  ASSERT_EQ(pthread_attr_getstacksize(&attributes, &before), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, size_t{1} << 60), 0);
  ASSERT_EQ(pthread_setattr_default_np(&attributes), 0);
  testing::FakeVcpu vcpu(0);
  RecordingHandler handler;
  const absl::StatusOr<std::unique_ptr<VcpuThread>> thread = VcpuThread::Start(vcpu, handler);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, before), 0);
  ASSERT_EQ(pthread_setattr_default_np(&attributes), 0);
  ASSERT_FALSE(thread.ok());
  EXPECT_EQ(GetErrno(thread.status()), EAGAIN);
  EXPECT_THAT(thread.status().message(), ::testing::HasSubstr("vCPU 0"));
}

}  // namespace
}  // namespace firn
