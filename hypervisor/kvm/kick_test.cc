// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Kicks of a vCPU that is in KVM_RUN, about to be, or elsewhere: none is lost. KVM_RUN is played
// as the kernel does it: it looks at immediate_exit with signals held back, then waits for one.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <thread>
#include <variant>
#include <vector>

#include "hypervisor/kvm/kick_signal.h"
#include "hypervisor/kvm/kvm_vcpu.h"

namespace firn::kvm {
namespace {

constexpr time_t kHangSeconds = 20;
constexpr int kVcpuFd = 7;

class RunningCalls final : public KvmCalls {
 public:
  RunningCalls() { std::memset(&page_, 0, sizeof(page_)); }

  int Open(const char*) override { return -ENOENT; }
  int Ioctl(int fd, uint32_t request, uintptr_t) override {
    EXPECT_EQ(fd, kVcpuFd);
    EXPECT_EQ(request, uint32_t{kRun});
    ++runs_;
    if (next_result_) return next_result_();
    return WaitForSignal();
  }
  void* Map(int, size_t, int&) override { return &page_; }
  void Unmap(void*, size_t) override {}
  void Close(int fd) override { closed_.push_back(fd); }
  uint64_t Counter() override { return 0; }
  uint64_t CounterFrequency() override { return 1; }
  size_t PageSize() override { return 4096; }

  RunPage& page() { return page_; }
  int runs() const { return runs_; }
  std::vector<int> closed() const { return closed_; }
  // What KVM_RUN does instead of waiting.
  void set_next_result(std::function<int()> result) { next_result_ = std::move(result); }
  std::atomic<int> waiting = 0;

 private:
  int WaitForSignal() {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = -EINTR;
    if (std::atomic_ref<uint8_t>(page_.immediate_exit).load() == 0) {
      ++waiting;
      const timespec limit = {.tv_sec = kHangSeconds, .tv_nsec = 0};
      const int ready = ppoll(nullptr, 0, &limit, &before);
      --waiting;
      if (ready == 0) result = 0;  // a kick was lost: an exit that the test does not expect
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return result;
  }

  RunPage page_;
  std::atomic<int> runs_ = 0;
  std::function<int()> next_result_;
  std::vector<int> closed_;
};

class KickTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(InstallKickHandler().ok());
    absl::StatusOr<std::unique_ptr<Vcpu>> vcpu =
        KvmVcpu::Create(KvmFd(calls_, kVcpuFd), 0, sizeof(RunPage));
    ASSERT_TRUE(vcpu.ok());
    vcpu_ = *std::move(vcpu);
  }

  static bool IsKick(const absl::StatusOr<Exit>& exit) {
    return exit.ok() && std::holds_alternative<KickedExit>(*exit);
  }
  // The next KVM_RUN returns with an MMIO exit.
  void ExitWithMmio() {
    calls_.set_next_result([this] {
      calls_.page().exit_reason = kExitMmio;
      calls_.page().mmio.len = 4;
      calls_.set_next_result(nullptr);
      return 0;
    });
  }

  RunningCalls calls_;
  std::unique_ptr<Vcpu> vcpu_;
};

TEST_F(KickTest, BeforeRun) {
  vcpu_->Kick();
  vcpu_->Kick();
  EXPECT_TRUE(IsKick(vcpu_->Run()));
  EXPECT_EQ(calls_.page().immediate_exit, 0);
}

TEST_F(KickTest, OfARunInProgress) {
  std::thread kicker([this] {
    while (calls_.waiting == 0) std::this_thread::yield();
    vcpu_->Kick();
  });
  EXPECT_TRUE(IsKick(vcpu_->Run()));
  kicker.join();
}

TEST_F(KickTest, NoneOfManyIsLost) {
  constexpr int kKicks = 5000;
  std::atomic<int> answered = 0;
  std::thread kicker([this, &answered] {
    for (int i = 0; i < kKicks; ++i) {
      vcpu_->Kick();
      // Each kick is answered by a return of Run that comes after it.
      while (answered <= i) std::this_thread::yield();
    }
  });
  for (int i = 0; i < kKicks; ++i) {
    ASSERT_TRUE(IsKick(vcpu_->Run())) << i;
    ++answered;
  }
  kicker.join();
}

TEST_F(KickTest, AnotherSignalIsAKickToo) {
  const pthread_t runner = pthread_self();
  std::thread other([this, runner] {
    while (calls_.waiting == 0) std::this_thread::yield();
    pthread_kill(runner, SIGRTMIN);
  });
  EXPECT_TRUE(IsKick(vcpu_->Run()));
  other.join();
}

TEST_F(KickTest, CompletingAnExitDoesNotRunTheGuestNorLoseAKick) {
  EXPECT_TRUE(vcpu_->CompleteExit().ok());
  EXPECT_EQ(calls_.runs(), 0) << "there was nothing to complete";

  ExitWithMmio();
  ASSERT_TRUE(vcpu_->Run().ok());
  vcpu_->Kick();
  EXPECT_TRUE(vcpu_->CompleteExit().ok());
  EXPECT_EQ(calls_.runs(), 2);
  EXPECT_TRUE(vcpu_->CompleteExit().ok());
  EXPECT_EQ(calls_.runs(), 2) << "it was complete";
  EXPECT_TRUE(IsKick(vcpu_->Run()));
  EXPECT_EQ(calls_.page().immediate_exit, 0);
}

TEST_F(KickTest, AKickCompletesTheExitBeforeIt) {
  ExitWithMmio();
  ASSERT_TRUE(vcpu_->Run().ok());
  vcpu_->Kick();
  EXPECT_TRUE(IsKick(vcpu_->Run()));
  EXPECT_TRUE(vcpu_->CompleteExit().ok());
  EXPECT_EQ(calls_.runs(), 2);
}

TEST_F(KickTest, AFewEagainsPassAndAStormEnds) {
  int left = 3;
  calls_.set_next_result([this, &left] {
    if (--left > 0) return -EAGAIN;
    calls_.page().exit_reason = kExitSystemEvent;
    return 0;
  });
  EXPECT_TRUE(vcpu_->Run().ok());
  calls_.set_next_result([] { return -EAGAIN; });
  const absl::StatusOr<Exit> exit = vcpu_->Run();
  ASSERT_FALSE(exit.ok());
  EXPECT_NE(exit.status().message().find("KVM_RUN(vCPU 0)"), std::string::npos);
  EXPECT_NE(exit.status().message().find("EAGAIN"), std::string::npos);
}

TEST_F(KickTest, CompletingAnExitSurvivesEagain) {
  ExitWithMmio();
  ASSERT_TRUE(vcpu_->Run().ok());
  int left = 3;
  calls_.set_next_result([&left] { return --left > 0 ? -EAGAIN : -EINTR; });
  EXPECT_TRUE(vcpu_->CompleteExit().ok());
  EXPECT_EQ(calls_.page().immediate_exit, 0);
}

TEST_F(KickTest, AnAccessThatKvmCannotDecodeIsTheGuestsFailure) {
  calls_.set_next_result([] { return -ENOSYS; });
  const absl::StatusOr<Exit> exit = vcpu_->Run();
  ASSERT_TRUE(exit.ok());
  ASSERT_TRUE(std::holds_alternative<FailureExit>(*exit));
  EXPECT_EQ(std::get<FailureExit>(*exit).reason, uint32_t{kExitArmNisv});
}

TEST_F(KickTest, TheVcpuClosesItsFd) {
  vcpu_.reset();
  EXPECT_EQ(calls_.closed(), std::vector<int>{kVcpuFd});
}

}  // namespace
}  // namespace firn::kvm
