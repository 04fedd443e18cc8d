// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The machine's run loop: kicks, doorbells and the settle callback, instruction limits, and that
// one run repeats another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;

bool IsKick(const absl::StatusOr<Exit>& exit) {
  return exit.ok() && std::holds_alternative<KickedExit>(*exit);
}

void SleepUs(int us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

// ---- Kicks

TEST(KickTest, BeforeRunCountsForTheNextRunOnce) {
  Guest guest("loops");
  guest.Start(0, "busy");
  guest.vcpu(0).Kick();
  guest.vcpu(0).Kick();
  EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  EXPECT_EQ(guest.vcpu(0).stats().instructions, 0u);
  // Used up: the next Run executes until the next kick.
  std::atomic<bool> kicked = false;
  std::thread kicker([&] {
    SleepUs(20'000);
    kicked = true;
    guest.vcpu(0).Kick();
  });
  EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  EXPECT_TRUE(kicked);
  kicker.join();
  EXPECT_GT(guest.vcpu(0).stats().instructions, 0u);
}

class KickLoopTest
    : public ::testing::TestWithParam<std::pair<const char*, SoftwareOptions::Clock>> {};

// One kick, one return: a lost kick hangs, a doubled one ends the loop too early.
TEST_P(KickLoopTest, ThousandRandomKicksAreNeverLost) {
  const auto [label, clock] = GetParam();
  Guest guest("loops", {.software = {.clock = clock}});
  guest.Start(0, label);
  std::atomic<int> returned = 0;
  constexpr int kKicks = 1000;
  std::thread vcpu([&] {
    for (int n = 0; n < kKicks; ++n) {
      if (!IsKick(guest.vcpu(0).Run())) return;
      ++returned;
    }
  });
  std::mt19937 random(1);
  for (int n = 0; n < kKicks; ++n) {
    // Before Run, in it, asleep in it: whatever 0 to 99 us hit.
    SleepUs(static_cast<int>(random() % 100));
    guest.vcpu(0).Kick();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (returned.load() <= n) {
      if (std::chrono::steady_clock::now() > deadline) {
        guest.vcpu(0).Kick();  // ends the thread if it was one that was lost
        FAIL() << "kick " << n << " was lost";
      }
      std::this_thread::yield();
    }
  }
  vcpu.join();
  EXPECT_EQ(returned, kKicks);
}

INSTANTIATE_TEST_SUITE_P(All, KickLoopTest,
                         ::testing::Values(std::pair{"busy", SoftwareOptions::Clock::kVirtual},
                                           std::pair{"busy", SoftwareOptions::Clock::kReal},
                                           std::pair{"wait", SoftwareOptions::Clock::kVirtual},
                                           std::pair{"wait", SoftwareOptions::Clock::kReal}),
                         [](const auto& info) {
                           return std::string(info.param.first) +
                                  (info.param.second == SoftwareOptions::Clock::kReal ? "Real"
                                                                                      : "Virtual");
                         });

// As for a pause. The first to leave lets go of the machine while the next is kicked, which must
// not be missed: nobody else would make it look.
TEST(KickTest, KicksOfAllVcpusAtOnceAreNeverLost) {
  constexpr int kVcpus = 4, kRounds = 2000;
  Guest guest("loops", {.vcpu_ids = {0, 1, 2, 3}});
  std::array<std::atomic<int>, kVcpus> returned = {};
  std::vector<std::thread> threads;
  for (int n = 0; n < kVcpus; ++n) {
    guest.Start(n, "busy");
    threads.emplace_back([&guest, &count = returned[n], n] {
      while (count < kRounds && IsKick(guest.vcpu(n).Run())) ++count;
    });
  }
  std::string lost;
  for (int round = 0; round < kRounds && lost.empty(); ++round) {
    for (int n = 0; n < kVcpus; ++n) guest.vcpu(n).Kick();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (int n = 0; n < kVcpus; ++n) {
      while (returned[n] <= round && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
      if (returned[n] <= round) lost += absl::StrCat("of vCPU ", n, " in round ", round, "; ");
    }
  }
  EXPECT_EQ(lost, "");
  // Ends the threads also where one was lost.
  for (int n = 0; n < kVcpus; ++n) {
    while (returned[n] < kRounds) {
      guest.vcpu(n).Kick();
      SleepUs(10);
    }
    threads[n].join();
  }
}

// A vCPU that was kicked has left: the machine stands still until it is back, also where the
// thread of another vCPU executes it (the one that came into Run last).
TEST(KickTest, MachineWaitsForAKickedVcpu) {
  for (const char* label : {"busy", "wait"}) {
    SCOPED_TRACE(label);
    Guest guest("loops", {.vcpu_ids = {0, 1}});
    guest.Start(0, label);
    guest.Start(1, "busy");
    std::atomic<bool> done = false;
    std::thread other([&] {
      while (!done) {
        EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
        SleepUs(500);  // vCPU 1 is in Run by now
      }
    });
    for (int n = 0; n < 50; ++n) {
      guest.vcpu(0).Kick();
      std::thread kicker([&] {
        SleepUs(2000);
        guest.vcpu(1).Kick();
      });
      EXPECT_TRUE(IsKick(guest.vcpu(1).Run()));
      kicker.join();
      const uint64_t before = guest.vcpu(1).stats().instructions;
      const uint64_t count = guest.Get(1, kvm::CoreX(1));
      SleepUs(200);
      EXPECT_EQ(guest.vcpu(1).stats().instructions, before);
      EXPECT_EQ(guest.Get(1, kvm::CoreX(1)), count);
    }
    done = true;
    guest.vcpu(0).Kick();
    other.join();
    EXPECT_GT(guest.vcpu(1).stats().instructions, 0u);
  }
}

// The vCPU that sleeps for all is vCPU 0 or 1, by chance; the one that is kicked comes back.
TEST(KickTest, IdleMachineInRealTime) {
  Guest guest("loops", {.vcpu_ids = {0, 1}, .software = {.clock = SoftwareOptions::Clock::kReal}});
  guest.Start(0, "wait");
  guest.Start(1, "wait");
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) EXPECT_TRUE(IsKick(guest.vcpu(0).Run()));
  });
  for (int n = 0; n < 100; ++n) {
    std::thread kicker([&] {
      SleepUs(300);
      guest.vcpu(1).Kick();
      if (n % 2 == 0) guest.vcpu(0).Kick();
    });
    EXPECT_TRUE(IsKick(guest.vcpu(1).Run()));
    kicker.join();
  }
  done = true;
  guest.vcpu(0).Kick();
  other.join();
}

TEST(KickTest, DoesNotDisturbMmio) {
  Guest guest("mmio");
  guest.Start(0, "repeat_load");
  guest.Set(0, kvm::CoreX(1), 0x0b000000);
  guest.Set(0, kvm::CoreX(2), 2000);
  int loads = 0;
  guest.OnMmio(GuestAddress(0x0b000000), [&](unsigned, MmioExit&) { ++loads; });
  std::atomic<bool> done = false;
  std::thread kicker([&] {
    while (!done) {
      guest.vcpu(0).Kick();
      SleepUs(20);  // else the guest hardly gets on
    }
  });
  EXPECT_TRUE(guest.Run().powered_off());
  done = true;
  kicker.join();
  EXPECT_EQ(loads, 2000);
  EXPECT_EQ(guest.vcpu(0).stats().instructions, 6002u);
}

// ---- Doorbells

TEST(DoorbellTest, SettlesOnceEachBeforeTheGuestGoesOn) {
  constexpr GuestAddress kDoorbell(0x0b000050), kAnswer(0x40200000);
  Guest guest("mmio");
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(
      guest.vm().RegisterIoEventFd({.address = kDoorbell, .length = 4, .fd = event.fd()}).ok());
  uint64_t settled = 0;
  guest.vm().SetSettleCallback([&] {
    EXPECT_EQ(event.Take(), 1u);
    ++settled;
    ASSERT_TRUE(guest.memory().Store<uint64_t>(kAnswer, settled * 10).ok());
    // A device may raise an interrupt from here: no lock is held.
    EXPECT_TRUE(guest.vm().IrqLine(kvm::IrqLineNumber(kvm::kIrqTypeSpi, 1), true).ok());
  });
  guest.Start(0, "doorbells");
  guest.Set(0, kvm::CoreX(1), kDoorbell.value);
  guest.Set(0, kvm::CoreX(2), 5);
  guest.Set(0, kvm::CoreX(3), kAnswer.value);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(settled, 5u);
  EXPECT_THAT(guest.reports(), ElementsAre(10, 20, 30, 40, 50));
}

TEST(DoorbellTest, DatamatchTakesItsValueOnly) {
  constexpr GuestAddress kDoorbell(0x0b000050);
  Guest guest("mmio");
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(
      guest.vm()
          .RegisterIoEventFd({.address = kDoorbell, .length = 4, .fd = event.fd(), .datamatch = 2})
          .ok());
  std::vector<uint64_t> exits;
  guest.OnMmio(kDoorbell, [&](unsigned, MmioExit& exit) { exits.push_back(MmioValue(exit)); });
  guest.Start(0, "doorbells");
  guest.Set(0, kvm::CoreX(1), kDoorbell.value);
  guest.Set(0, kvm::CoreX(2), 3);
  guest.Set(0, kvm::CoreX(3), Guest::kMemory.value);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(exits, ElementsAre(3, 1));
  EXPECT_EQ(event.Take(), 1u);
}

// ---- Determinism

struct Repeatable {
  std::vector<uint64_t> reports;
  std::vector<uint64_t> instructions;
  bool operator==(const Repeatable&) const = default;
};

Repeatable RunSharedSums(bool disturb) {
  Guest guest("loops", {.vcpu_ids = {0, 1}});
  guest.Start(0, "shared_sums");
  guest.Set(0, kvm::CoreX(5), 100'000);
  guest.Set(0, kvm::CoreX(6), 0x40200000);
  std::atomic<bool> done = false;
  std::thread kicker([&] {
    while (disturb && !done) {
      SleepUs(100);
      guest.vcpu(1).Kick();
      guest.vcpu(0).stats();
    }
  });
  EXPECT_TRUE(guest.Run().powered_off());
  done = true;
  kicker.join();
  return {guest.reports(),
          {guest.vcpu(0).stats().instructions, guest.vcpu(1).stats().instructions}};
}

// Two vCPUs compete for the same words with exclusives and atomics.
TEST(DeterminismTest, TwoVcpusRepeatExactlyAndLoseNothing) {
  const Repeatable first = RunSharedSums(false);
  ASSERT_EQ(first.reports.size(), 3u);
  EXPECT_EQ(first.reports[0], 200'000u);
  EXPECT_EQ(first.reports[1], 200'000u);
  EXPECT_EQ(RunSharedSums(false), first);
}

TEST(DeterminismTest, KicksAndLocksChangeNothing) {
  EXPECT_EQ(RunSharedSums(true), RunSharedSums(false));
}

uint64_t TotalInstructions(Guest& guest, unsigned vcpus) {
  uint64_t total = 0;
  for (unsigned n = 0; n < vcpus; ++n) total += guest.vcpu(n).stats().instructions;
  return total;
}

TEST(StopAtTest, EveryVcpuStopsWithinABlockAndAgainAtOnce) {
  for (uint64_t stop : {uint64_t{1}, uint64_t{1000}, uint64_t{1'234'567}}) {
    SCOPED_TRACE(stop);
    Guest guest("loops", {.vcpu_ids = {0, 1}, .software = {.stop_at = stop}});
    guest.Start(0, "busy");
    guest.Start(1, "busy");
    for (int again = 0; again < 2; ++again) {
      std::vector<std::thread> threads;
      for (unsigned n = 0; n < 2; ++n) {
        threads.emplace_back([&, n] {
          const absl::StatusOr<Exit> exit = guest.vcpu(n).Run();
          ASSERT_TRUE(exit.ok());
          EXPECT_TRUE(std::holds_alternative<InstructionLimitExit>(*exit));
        });
      }
      for (std::thread& thread : threads) thread.join();
      EXPECT_GE(TotalInstructions(guest, 2), stop);
      EXPECT_LE(TotalInstructions(guest, 2), stop + 2);  // the loop is a block of two
    }
  }
}

}  // namespace
}  // namespace firn::software
