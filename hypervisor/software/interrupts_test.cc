// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Interrupts from their source to the guest's handler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "hypervisor/event_fd.h"
#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Lt;

constexpr uint64_t kAcknowledged = uint64_t{1} << 32;
constexpr uint64_t kPpi = kAcknowledged | 1u << 29, kLpi = kAcknowledged | 2u << 29,
                   kSpi = kAcknowledged | 3u << 29;
constexpr uint32_t kSpi5 = kvm::IrqLineNumber(kvm::kIrqTypeSpi, 5);

// Calls `action` with the number of bytes that the guest has written to its console.
void OnConsole(Guest& guest, const std::function<void(int count, char byte)>& action) {
  guest.OnMmio(Guest::kConsole, [action, count = 0](unsigned, MmioExit& exit) mutable {
    action(++count, static_cast<char>(MmioValue(exit)));
  });
}

struct TimerCase {
  const char* label;
  uint64_t ppi;
};
class TimerTest : public ::testing::TestWithParam<TimerCase> {};

// An hour of waiting costs no instructions.
TEST_P(TimerTest, WfiSkipsToTheDeadline) {
  constexpr uint64_t kHour = uint64_t{3600} * 62'500'000;
  Guest guest("interrupts");
  guest.Start(0, GetParam().label);
  guest.Set(0, kvm::CoreX(1), kHour);
  ASSERT_TRUE(guest.Run().powered_off());
  // 32 instructions are 2 ticks.
  EXPECT_THAT(guest.reports(), ElementsAre(kPpi | GetParam().ppi, Lt(5u)));
  EXPECT_LT(guest.vcpu(0).stats().instructions, 1000u);
  EXPECT_EQ(guest.vcpu(0).stats().ppi_acknowledged, 1u);
  EXPECT_EQ(guest.vcpu(0).stats().interrupts, 1u);
  EXPECT_EQ(guest.vcpu(0).stats().wfi, 1u);
}

TEST_P(TimerTest, RealClockWaits) {
  Guest guest("interrupts", {.software = {.clock = SoftwareOptions::Clock::kReal}});
  guest.Start(0, GetParam().label);
  guest.Set(0, kvm::CoreX(1), 62'500 * 20);  // 20 ms
  ASSERT_TRUE(guest.Run().powered_off());
  ASSERT_EQ(guest.reports().size(), 2u);
  EXPECT_EQ(guest.reports()[0], kPpi | GetParam().ppi);
  EXPECT_LT(guest.vcpu(0).stats().instructions, 1000u);
}

INSTANTIATE_TEST_SUITE_P(All, TimerTest,
                         ::testing::Values(TimerCase{"virtual_timer", 27},
                                           TimerCase{"physical_timer", 30}),
                         [](const auto& info) { return info.param.label; });

TEST(InterruptsTest, TimerInterruptsABusyLoopAtItsTick) {
  Guest guest("interrupts");
  guest.Start(0, "interrupt_loop");
  guest.Set(0, kvm::CoreX(1), 100'000);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kPpi | 27, Lt(5u)));
  EXPECT_THAT(guest.vcpu(0).stats().instructions, AllOf(Ge(1'600'000u), Lt(1'601'000u)));
}

TEST(InterruptsTest, TimerInterruptsABusyLoopInRealTime) {
  Guest guest("interrupts", {.software = {.clock = SoftwareOptions::Clock::kReal}});
  guest.Start(0, "interrupt_loop");
  guest.Set(0, kvm::CoreX(1), 62'500 * 5);
  ASSERT_TRUE(guest.Run().powered_off());
  ASSERT_EQ(guest.reports().size(), 2u);
  EXPECT_EQ(guest.reports()[0], kPpi | 27);
}

// A compare value of all ones never comes: the machine waits for the host, and does not spin.
TEST(InterruptsTest, TimerThatNeverFiresDoesNotHinder) {
  Guest guest("interrupts");
  guest.Start(0, "timer_never");
  guest.Set(0, kvm::CoreX(2), 0);
  std::thread host;
  OnConsole(guest, [&](int count, char) {
    if (count != 1) return;
    host = std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      EXPECT_TRUE(guest.vm().IrqLine(kSpi5, true).ok());
    });
  });
  EXPECT_TRUE(guest.Run().powered_off());
  if (host.joinable()) host.join();
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
  EXPECT_LT(guest.vcpu(0).stats().instructions, 1000u);
  EXPECT_LT(guest.vm().Counter(), 1000u);
}

// ---- The counter's alarm

// When the devices were woken for the alarm, by the guest's counter and its instructions.
struct Wake {
  uint64_t counter = 0;
  uint64_t instructions = 0;
  bool operator==(const Wake&) const = default;
};

// Runs `label` with an alarm at `counter`, which raises SPI 5.
std::vector<Wake> WakesOf(Guest& guest, std::string_view label, uint64_t counter) {
  const EventFd event = *EventFd::Create();
  std::vector<Wake> wakes;
  guest.vm().SetSettleCallback([&] {
    EXPECT_EQ(event.Take(), 1u);
    wakes.push_back({guest.vm().Counter(), guest.vcpu(0).stats().instructions});
    EXPECT_TRUE(guest.vm().IrqLine(kSpi5, true).ok());
  });
  EXPECT_TRUE(guest.vm().SetCounterAlarm(CounterAlarm{.counter = counter, .fd = event.fd()}).ok());
  guest.Start(0, label);
  EXPECT_TRUE(guest.Run().powered_off());
  guest.vm().SetSettleCallback(nullptr);
  return wakes;
}

TEST(CounterAlarmTest, IdleTimeIsSkippedToIt) {
  constexpr uint64_t kHour = uint64_t{3600} * 62'500'000;
  Guest guest("interrupts");
  guest.OnMmio(Guest::kConsole, [](unsigned, MmioExit&) {});
  const std::vector<Wake> wakes = WakesOf(guest, "one_spi", kHour);
  ASSERT_EQ(wakes.size(), 1u);
  EXPECT_EQ(wakes[0].counter, kHour);
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
  EXPECT_LT(guest.vcpu(0).stats().instructions, 1000u);
}

TEST(CounterAlarmTest, ABusyGuestIsWokenAtTheSameInstructionEachTime) {
  std::vector<Wake> first;
  for (const bool disturb : {false, true}) {
    Guest guest("interrupts");
    guest.Set(0, kvm::CoreX(1), 100'000);
    std::atomic<bool> done = false;
    std::thread kicker([&] {
      while (disturb && !done) {
        guest.vcpu(0).Kick();
        guest.vcpu(0).stats();
      }
    });
    const std::vector<Wake> wakes = WakesOf(guest, "interrupt_loop", 50'000);
    done = true;
    kicker.join();
    ASSERT_EQ(wakes.size(), 1u);
    EXPECT_THAT(wakes[0].counter, AllOf(Ge(50'000u), Lt(50'005u)));
    EXPECT_THAT(wakes[0].instructions, AllOf(Ge(800'000u), Lt(800'100u)));
    if (disturb) {
      EXPECT_EQ(wakes, first);
    }
    first = wakes;
  }
}

TEST(CounterAlarmTest, WaitsInRealTime) {
  Guest guest("interrupts", {.software = {.clock = SoftwareOptions::Clock::kReal}});
  guest.OnMmio(Guest::kConsole, [](unsigned, MmioExit&) {});
  const uint64_t counter = guest.vm().Counter() + 62'500 * 20;  // 20 ms
  const std::vector<Wake> wakes = WakesOf(guest, "one_spi", counter);
  ASSERT_EQ(wakes.size(), 1u);
  EXPECT_GE(wakes[0].counter, counter);
  EXPECT_LT(guest.vcpu(0).stats().instructions, 1000u);
}

// Reference 8.2 row 30.
TEST(InterruptsTest, SoftwarePpiIsDeliveredTwice) {
  Guest guest("interrupts");
  guest.Start(0, "sw_ppi");
  OnConsole(guest, [&](int, char) {
    EXPECT_TRUE(guest.vm().IrqLine(kvm::IrqLineNumber(kvm::kIrqTypePpi, 3), true).ok());
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kPpi | 3, kPpi | 3));
}

// Row 32: the edge stays, though the line is low again before the guest looks.
TEST(InterruptsTest, EdgeSpiByIrqLine) {
  Guest guest("interrupts");
  guest.Start(0, "one_spi");
  guest.Set(0, kvm::CoreX(2), 0);
  OnConsole(guest, [&](int, char byte) {
    if (byte != 'r') return;
    EXPECT_TRUE(guest.vm().IrqLine(kSpi5, true).ok());
    EXPECT_TRUE(guest.vm().IrqLine(kSpi5, false).ok());
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
}

TEST(InterruptsTest, LevelSpiByIrqLineIsLoweredInTheHandler) {
  Guest guest("interrupts");
  guest.Start(0, "one_spi");
  guest.Set(0, kvm::CoreX(2), 1);
  OnConsole(guest, [&](int, char byte) {
    if (byte == 'd') return;
    EXPECT_TRUE(guest.vm().IrqLine(kSpi5, /*level=*/byte == 'r').ok());
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
  EXPECT_EQ(guest.vcpu(0).stats().spi_acknowledged, 1u);
}

TEST(InterruptsTest, SpiByIrqFd) {
  Guest guest("interrupts");
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 5}).ok());
  guest.Start(0, "one_spi");
  guest.Set(0, kvm::CoreX(2), 0);
  OnConsole(guest, [&](int, char byte) {
    if (byte == 'r') event.Signal();
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
}

// Signalled by another thread while the machine sleeps.
TEST(InterruptsTest, IrqFdWakesAnIdleMachine) {
  Guest guest("interrupts");
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 5}).ok());
  guest.Start(0, "one_spi");
  guest.Set(0, kvm::CoreX(2), 0);
  std::thread host;
  OnConsole(guest, [&](int, char byte) {
    if (byte != 'r') return;
    host = std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      event.Signal();
    });
  });
  EXPECT_TRUE(guest.Run().powered_off());
  if (host.joinable()) host.join();
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
}

TEST(InterruptsTest, RoutesSayWhichPinAnIrqFdRaises) {
  Guest guest("interrupts");
  const EventFd event = *EventFd::Create();
  const std::vector<GsiRoute> routes = {{.gsi = 40, .pin = 5}, {.gsi = 5, .pin = 6}};
  ASSERT_TRUE(guest.vm().SetGsiRouting(routes).ok());
  ASSERT_TRUE(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 40}).ok());
  guest.Start(0, "one_spi");
  guest.Set(0, kvm::CoreX(2), 0);
  OnConsole(guest, [&](int, char byte) {
    if (byte == 'r') event.Signal();
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
}

// The line stays up until the guest deactivates; then the resample fd tells, and the source
// raises it again while it has more.
TEST(InterruptsTest, ResampleIrqFd) {
  Guest guest("interrupts");
  const EventFd event = *EventFd::Create(), resample = *EventFd::Create();
  ASSERT_TRUE(
      guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 5, .resample_fd = resample.fd()}).ok());
  guest.Start(0, "many_spis");
  std::atomic<bool> done = false;
  int resampled = 0;
  std::thread source([&] {
    while (!done && resampled < 3) {
      if (resample.Take() > 0 && ++resampled < 3) event.Signal();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  OnConsole(guest, [&](int, char) { event.Signal(); });
  EXPECT_TRUE(guest.Run().powered_off());
  done = true;
  source.join();
  EXPECT_EQ(static_cast<uint64_t>(resampled) + resample.Take(), 3u);
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5, kSpi | 5, kSpi | 5));
}

// Row 24.
TEST(InterruptsTest, TwoSpisComeByPriorityAndMask) {
  Guest guest("interrupts");
  guest.Start(0, "two_priorities");
  OnConsole(guest, [&](int, char) {
    for (uint32_t spi : {5u, 6u}) {
      EXPECT_TRUE(guest.vm().IrqLine(kvm::IrqLineNumber(kvm::kIrqTypeSpi, spi), true).ok());
    }
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 6, 1, kSpi | 5));
}

// Row 33.
TEST(InterruptsTest, LpiPingPong) {
  constexpr uint64_t kRounds = 200;
  Guest guest("interrupts", {.vcpu_ids = {0, 1}});
  guest.Start(0, "ping_pong");
  guest.Set(0, kvm::CoreX(5), kRounds);
  ASSERT_TRUE(guest.Run().powered_off());
  const std::vector<uint64_t> reports = guest.reports();
  ASSERT_GE(reports.size(), 2 * kRounds);
  for (uint64_t n = 0; n < 2 * kRounds; ++n) {
    ASSERT_EQ(reports[n], kLpi | (n % 2 == 0 ? 1 : 0)) << n;
  }
  EXPECT_EQ(guest.vcpu(0).stats().lpi_acknowledged, kRounds);
}

}  // namespace
}  // namespace firn::software
