// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What guests on the kvm backend do and are told: exits, PSCI, kicks, state, the dirty log.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "tests/kvm_calls/guests_fixture.h"

namespace firn::kvm::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr GuestAddress kDevice(0x0b000100);

bool IsKick(const absl::StatusOr<Exit>& exit) {
  return exit.ok() && std::holds_alternative<KickedExit>(*exit);
}

INSTANTIATE_TEST_SUITE_P(Dialects, GuestsTest, ::testing::ValuesIn(kIrsDialects),
                         [](const auto& info) { return DialectName(info.param); });

TEST_P(GuestsTest, LoadsOfEachSizeTakeTheirAnswer) {
  struct Case {
    const char* label;
    size_t size;
    uint64_t answer, expected;
  };
  for (const Case& c : {Case{"ldrb_w", 1, 0x80, 0x80}, Case{"ldrsb_x", 1, 0x80, ~uint64_t{0x7f}},
                        Case{"ldrh_w", 2, 0x8001, 0x8001}, Case{"ldr_w", 4, 0x80000001, 0x80000001},
                        Case{"ldr_x", 8, 0x8123456789abcdef, 0x8123456789abcdef}}) {
    SCOPED_TRACE(c.label);
    Guest guest("mmio", Options());
    guest.Start(0, c.label);
    guest.Set(0, CoreX(1), kDevice.value);
    int exits = 0;
    guest.OnMmio(kDevice, [&](unsigned, MmioExit& exit) {
      ++exits;
      EXPECT_FALSE(exit.is_write);
      EXPECT_EQ(exit.data.size(), c.size);
      SetMmioValue(exit, c.answer);
    });
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_EQ(exits, 1);
    ASSERT_FALSE(guest.reports().empty());
    EXPECT_EQ(guest.reports().front(), c.expected);
  }
}

TEST_P(GuestsTest, StoresOfEachSizeCarryTheirData) {
  for (const auto& [label, size, expected] :
       {std::tuple{"strb_w", 1u, uint64_t{0xef}}, std::tuple{"strh_w", 2u, uint64_t{0xcdef}},
        std::tuple{"str_w", 4u, uint64_t{0x89abcdef}},
        std::tuple{"str_x", 8u, uint64_t{0x8123456789abcdef}}}) {
    SCOPED_TRACE(label);
    Guest guest("mmio", Options());
    guest.Start(0, label);
    guest.Set(0, CoreX(0), 0x8123456789abcdef);
    guest.Set(0, CoreX(1), kDevice.value);
    std::vector<uint64_t> stored;
    guest.OnMmio(kDevice, [&, size = size](unsigned, MmioExit& exit) {
      EXPECT_TRUE(exit.is_write);
      EXPECT_EQ(exit.data.size(), size);
      stored.push_back(MmioValue(exit));
    });
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(stored, ElementsAre(expected));
  }
}

TEST_P(GuestsTest, LoadIsCompletedWithoutTheGuestGoingOn) {
  Guest guest("mmio", Options());
  guest.Start(0, "ldr_w");
  guest.Set(0, CoreX(1), kDevice.value);
  GuestOutcome outcome = guest.Run();
  ASSERT_TRUE(outcome.exit.ok()) << outcome.exit.status();
  auto* mmio = std::get_if<MmioExit>(&*outcome.exit);
  ASSERT_NE(mmio, nullptr);
  EXPECT_EQ(guest.Get(0, kCorePc), guest.Symbol("ldr_w"));
  SetMmioValue(*mmio, 0x55);
  ASSERT_TRUE(guest.vcpu(0).CompleteExit().ok());
  EXPECT_EQ(guest.Get(0, kCorePc), guest.Symbol("ldr_w") + 4);
  EXPECT_EQ(guest.Get(0, CoreX(0)), 0x55u);
  ASSERT_TRUE(guest.vcpu(0).CompleteExit().ok());  // nothing left to complete
  EXPECT_EQ(guest.Get(0, kCorePc), guest.Symbol("ldr_w") + 4);
  ASSERT_TRUE(guest.Run().powered_off());
}

// A kick that comes before CompleteExit is for the next Run, not for that.
TEST_P(GuestsTest, CompletingAnExitDoesNotUseUpAKick) {
  Guest guest("mmio", Options());
  guest.Start(0, "ldr_w");
  guest.Set(0, CoreX(1), kDevice.value);
  absl::StatusOr<Exit> exit = guest.vcpu(0).Run();
  ASSERT_TRUE(exit.ok());
  auto* mmio = std::get_if<MmioExit>(&*exit);
  ASSERT_NE(mmio, nullptr);
  SetMmioValue(*mmio, 0x66);
  guest.vcpu(0).Kick();
  ASSERT_TRUE(guest.vcpu(0).CompleteExit().ok());
  EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  EXPECT_EQ(guest.Get(0, kCorePc), guest.Symbol("ldr_w") + 4);
  EXPECT_EQ(guest.Get(0, CoreX(0)), 0x66u);
  ASSERT_TRUE(guest.Run().powered_off());
}

// A Run that a kick ends has completed the access too.
TEST_P(GuestsTest, KickedRunCompletesAnExit) {
  Guest guest("mmio", Options());
  guest.Start(0, "ldr_w");
  guest.Set(0, CoreX(1), kDevice.value);
  absl::StatusOr<Exit> exit = guest.vcpu(0).Run();
  ASSERT_TRUE(exit.ok());
  auto* mmio = std::get_if<MmioExit>(&*exit);
  ASSERT_NE(mmio, nullptr);
  SetMmioValue(*mmio, 0x77);
  guest.vcpu(0).Kick();
  EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  EXPECT_EQ(guest.Get(0, CoreX(0)), 0x77u);
  ASSERT_TRUE(guest.Run().powered_off());
}

// KVM_RUN says ENOSYS of an access that the syndrome does not describe: nobody asked it for
// KVM_EXIT_ARM_NISV.
TEST_P(GuestsTest, UndescribedAccessIsAFailureOfTheGuest) {
  Guest guest("mmio", Options());
  guest.Start(0, "ldp");
  guest.Set(0, CoreX(1), kDevice.value);
  const GuestOutcome outcome = guest.Run();
  ASSERT_TRUE(outcome.exit.ok()) << outcome.exit.status();
  const auto* failure = std::get_if<FailureExit>(&*outcome.exit);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->reason, uint32_t{kExitArmNisv});
  EXPECT_THAT(failure->detail, HasSubstr("KVM_RUN: ENOSYS"));
}

// ---- PSCI

TEST_P(GuestsTest, SystemEventsOfPsci) {
  for (const auto& [function, event] :
       {std::pair{0x84000008, kSystemEventShutdown}, std::pair{0x84000009, kSystemEventReset}}) {
    Guest guest("power", Options());
    guest.Start(0, "call");
    guest.Set(0, CoreX(0), function);
    const GuestOutcome outcome = guest.Run();
    ASSERT_TRUE(outcome.exit.ok()) << outcome.exit.status();
    const auto* system = std::get_if<SystemEventExit>(&*outcome.exit);
    ASSERT_NE(system, nullptr);
    EXPECT_EQ(system->type, event);
  }
}

TEST_P(GuestsTest, CpusGoOnAndOff) {
  constexpr uint64_t kRounds = 4;
  Guest guest("power", Options({0, 5}));
  guest.Start(0, "on_off");
  guest.Set(0, CoreX(19), MpidrAffinity(5));
  guest.Set(0, CoreX(5), kRounds);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports().size(), kRounds * 12);
  EXPECT_EQ(*guest.vcpu(1).GetMpState(), kMpStateStopped);
  EXPECT_EQ(*guest.vcpu(0).GetMpState(), kMpStateRunnable);
}

TEST_P(GuestsTest, TwoVcpusLoseNothing) {
  Guest guest("loops", Options({0, 1}));
  guest.Start(0, "shared_sums");
  guest.Set(0, CoreX(5), 20'000);
  guest.Set(0, CoreX(6), 0x40200000);
  ASSERT_TRUE(guest.Run().powered_off());
  ASSERT_EQ(guest.reports().size(), 3u);
  EXPECT_EQ(guest.reports()[0], 40'000u);
  EXPECT_EQ(guest.reports()[1], 40'000u);
}

// ---- Kicks

TEST_P(GuestsTest, KickBeforeRunCountsOnce) {
  Guest guest("loops", Options());
  guest.Start(0, "busy");
  guest.vcpu(0).Kick();
  guest.vcpu(0).Kick();
  EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  EXPECT_EQ(guest.Get(0, CoreX(1)), 0u);  // no instruction was executed
  // Used up: the next Run goes on until the next kick.
  std::atomic<bool> kicked = false;
  std::thread kicker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    kicked = true;
    guest.vcpu(0).Kick();
  });
  EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  EXPECT_TRUE(kicked);
  kicker.join();
  EXPECT_GT(guest.Get(0, CoreX(1)), 0u);
}

// One kick, one return: a lost kick hangs, a doubled one ends the loop too early.
TEST_P(GuestsTest, RandomKicksAreNeverLost) {
  constexpr int kKicks = 200;
  for (const char* label : {"busy", "wait"}) {
    SCOPED_TRACE(label);
    Guest guest("loops", Options());
    guest.Start(0, label);
    std::atomic<int> returned = 0;
    std::atomic<bool> ended = false;
    std::thread vcpu([&] {
      for (int n = 0; n < kKicks && !ended; ++n) {
        if (!IsKick(guest.vcpu(0).Run())) break;
        ++returned;
      }
      ended = true;
    });
    std::mt19937 random(1);
    for (int n = 0; n < kKicks; ++n) {
      // Before KVM_RUN, in it, on the way in and out: whatever 0 to 99 us hit.
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
      guest.vcpu(0).Kick();
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (returned.load() <= n && !ended) {
        if (std::chrono::steady_clock::now() > deadline) {
          ended = true;
          guest.vcpu(0).Kick();
          ADD_FAILURE() << "kick " << n << " was lost";
          break;
        }
        std::this_thread::yield();
      }
      if (ended) break;
    }
    vcpu.join();
    EXPECT_EQ(returned, kKicks);
  }
}

TEST_P(GuestsTest, KicksDoNotDisturbMmio) {
  constexpr int kLoads = 1000;
  Guest guest("mmio", Options());
  guest.Start(0, "repeat_load");
  guest.Set(0, CoreX(1), kDevice.value);
  guest.Set(0, CoreX(2), kLoads);
  int loads = 0;
  guest.OnMmio(kDevice, [&](unsigned, MmioExit&) { ++loads; });
  std::atomic<bool> done = false;
  std::thread kicker([&] {
    while (!done) {
      guest.vcpu(0).Kick();
      // Time for the guest to get on: on an idle machine the next kick would come before it has.
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  });
  EXPECT_TRUE(guest.Run().powered_off());
  done = true;
  kicker.join();
  EXPECT_EQ(loads, kLoads);
}

// Any signal that its thread takes ends KVM_RUN; for the caller that is a kick.
TEST_P(GuestsTest, AForeignSignalIsAKick) {
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  Guest guest("loops", Options());
  guest.Start(0, "busy");
  std::atomic<bool> done = false;
  const pthread_t runner = pthread_self();
  std::thread signaller([&] {
    while (!done) {
      pthread_kill(runner, SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int n = 0; n < 20; ++n) EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  done = true;
  signaller.join();
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_GT(guest.Get(0, CoreX(1)), 0u);
}

// ---- State

TEST_P(GuestsTest, EveryListedRegisterCanBeReadAndSetBack) {
  Guest guest("mmio", Options());
  const absl::StatusOr<std::vector<uint64_t>> ids = guest.vcpu(0).RegisterList();
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_GT(ids->size(), 100u);
  for (const uint64_t id : *ids) {
    std::vector<std::byte> value(RegisterSize(id)), again(RegisterSize(id));
    ASSERT_TRUE(guest.vcpu(0).GetRegister(id, absl::MakeSpan(value)).ok()) << std::hex << id;
    EXPECT_TRUE(guest.vcpu(0).SetRegister(id, value).ok()) << std::hex << id;
    if (id == kTimerCnt || id == kPtimerCnt) continue;
    ASSERT_TRUE(guest.vcpu(0).GetRegister(id, absl::MakeSpan(again)).ok()) << std::hex << id;
    EXPECT_EQ(value, again) << std::hex << id;
  }
}

TEST_P(GuestsTest, UnknownRegisterIsNamed) {
  Guest guest("mmio", Options());
  const absl::Status status = GetRegisterU64(guest.vcpu(0), 0x603000000013ffff).status();
  EXPECT_EQ(GetErrno(status), ENOENT);
  EXPECT_THAT(status.message(), HasSubstr("KVM_GET_ONE_REG"));
  EXPECT_THAT(status.message(), HasSubstr("603000000013ffff"));
}

TEST_P(GuestsTest, EventsAndCounter) {
  Guest guest("mmio", Options());
  const absl::StatusOr<VcpuEvents> events = guest.vcpu(0).GetEvents();
  ASSERT_TRUE(events.ok());
  EXPECT_EQ(events->serror_pending, 0);
  EXPECT_TRUE(guest.vcpu(0).SetEvents(*events).ok());
  EXPECT_EQ(guest.vm().CounterFrequency(), 62'500'000u);
  const uint64_t host_counter = stack_.kernel().Counter();
  ASSERT_TRUE(guest.vm().SetCounterOffset(host_counter - 1'000'000).ok());
  EXPECT_EQ(guest.vm().Counter(), 1'000'000u);
  EXPECT_EQ(*GetRegisterU64(guest.vcpu(0), kTimerCnt), 1'000'000u);
}

// ---- The dirty log, on hosts of each page size

class DirtyLogTest : public GuestsTest {};

TEST_P(DirtyLogTest, StoresAreSeenInPagesOf4KiBWhateverTheHosts) {
  for (const size_t page_size : {size_t{4096}, size_t{16384}, size_t{65536}}) {
    SCOPED_TRACE(page_size);
    FakeHost host = Gicv5Host();
    host.page_size = page_size;
    KvmStack stack(host, {.dialect = GetParam()});
    const std::unique_ptr<KvmHypervisor> kvm = *KvmHypervisor::Open(stack.kernel());
    Guest guest("mmio", {.memory_flags = kMemLogDirtyPages, .hypervisor = kvm.get()});
    guest.Start(0, "fill");
    // Two stores, 0x110000 apart.
    guest.Set(0, CoreX(0), 3);
    guest.Set(0, CoreX(1), 0x40105000);
    guest.Set(0, CoreX(2), 0x110000);
    guest.Set(0, CoreX(3), 2);
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(guest.reports(), ElementsAre(6));
    const absl::StatusOr<std::vector<uint64_t>> dirty = guest.vm().GetDirtyLog(0);
    ASSERT_TRUE(dirty.ok()) << dirty.status();
    ASSERT_EQ(dirty->size(), 16u);  // 4 MiB
    std::vector<uint64_t> pages, expected;
    for (uint64_t page = 0; page < 1024; ++page) {
      if (((*dirty)[page / 64] >> page % 64 & 1) != 0) pages.push_back(page);
    }
    const uint64_t ratio = page_size / kGuestPageSize;
    for (const uint64_t store : {uint64_t{0x105}, uint64_t{0x215}}) {
      for (uint64_t n = 0; n < ratio; ++n) expected.push_back(store / ratio * ratio + n);
    }
    EXPECT_EQ(pages, expected);
    EXPECT_THAT(*guest.vm().GetDirtyLog(0), ::testing::Each(0u));
  }
}

INSTANTIATE_TEST_SUITE_P(Merged, DirtyLogTest, ::testing::Values(Dialect::kMerged),
                         [](const auto& info) { return DialectName(info.param); });

}  // namespace
}  // namespace firn::kvm::testing
