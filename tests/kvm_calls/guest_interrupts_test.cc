// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Doorbells of guests on the kvm backend, and the interrupts that they get.
#include "hypervisor/event_fd.h"
#include "tests/kvm_calls/guests_fixture.h"

namespace firn::kvm::testing {
namespace {

using ::testing::ElementsAre;

constexpr GuestAddress kDevice(0x0b000100);
constexpr uint64_t kAcknowledged = uint64_t{1} << 32;
constexpr uint64_t kPpi = kAcknowledged | 1u << 29, kLpi = kAcknowledged | 2u << 29,
                   kSpi = kAcknowledged | 3u << 29;
constexpr uint32_t kSpi5 = IrqLineNumber(kIrqTypeSpi, 5);

INSTANTIATE_TEST_SUITE_P(Dialects, GuestsTest, ::testing::ValuesIn(kIrsDialects),
                         [](const auto& info) { return DialectName(info.param); });

TEST_P(GuestsTest, DoorbellsDoNotLeaveTheGuest) {
  Guest guest("mmio", Options());
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(
      guest.vm().RegisterIoEventFd({.address = kDevice, .length = 4, .fd = event.fd()}).ok());
  guest.Start(0, "doorbells");
  guest.Set(0, CoreX(1), kDevice.value);
  guest.Set(0, CoreX(2), 5);
  guest.Set(0, CoreX(3), Guest::kMemory.value);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(event.Take(), 5u);
}

TEST_P(GuestsTest, DatamatchTakesItsValueOnlyUntilDeassigned) {
  Guest guest("mmio", Options());
  const EventFd event = *EventFd::Create();
  IoEventFd doorbell = {.address = kDevice, .length = 4, .fd = event.fd(), .datamatch = 2};
  ASSERT_TRUE(guest.vm().RegisterIoEventFd(doorbell).ok());
  EXPECT_EQ(GetErrno(guest.vm().RegisterIoEventFd(doorbell)), EEXIST);
  std::vector<uint64_t> exits;
  guest.OnMmio(kDevice, [&](unsigned, MmioExit& exit) {
    exits.push_back(MmioValue(exit));
    if (exits.size() == 2) {
      doorbell.deassign = true;
      EXPECT_TRUE(guest.vm().RegisterIoEventFd(doorbell).ok());
    }
  });
  guest.Start(0, "doorbells");
  guest.Set(0, CoreX(1), kDevice.value);
  guest.Set(0, CoreX(2), 3);
  guest.Set(0, CoreX(3), Guest::kMemory.value);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(exits, ElementsAre(3, 1));
  EXPECT_EQ(event.Take(), 1u);
  EXPECT_EQ(GetErrno(guest.vm().RegisterIoEventFd(doorbell)), ENOENT);
}

TEST_P(GuestsTest, TimerPpi) {
  Guest guest("interrupts", Options());
  guest.Start(0, "virtual_timer");
  guest.Set(0, CoreX(1), 62'500);
  ASSERT_TRUE(guest.Run().powered_off());
  ASSERT_FALSE(guest.reports().empty());
  EXPECT_EQ(guest.reports()[0], kPpi | 27);
}

TEST_P(GuestsTest, EdgeAndLevelSpiByIrqLine) {
  for (const bool is_level : {false, true}) {
    SCOPED_TRACE(is_level);
    Guest guest("interrupts", Options());
    guest.Start(0, "one_spi");
    guest.Set(0, CoreX(2), is_level ? 1 : 0);
    OnConsole(guest, [&](char byte) {
      if (byte == 'd') return;
      EXPECT_TRUE(guest.vm().IrqLine(kSpi5, /*level=*/byte == 'r').ok());
      if (is_level) return;
      EXPECT_TRUE(guest.vm().IrqLine(kSpi5, false).ok());
    });
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
  }
}

TEST_P(GuestsTest, SoftwarePpiByIrqLine) {
  Guest guest("interrupts", Options());
  guest.Start(0, "sw_ppi");
  OnConsole(guest, [&](char) {
    EXPECT_TRUE(guest.vm().IrqLine(IrqLineNumber(kIrqTypePpi, 3), true).ok());
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kPpi | 3, kPpi | 3));
}

TEST_P(GuestsTest, SpiByIrqFdThroughARoute) {
  Guest guest("interrupts", Options());
  const EventFd event = *EventFd::Create();
  const std::vector<GsiRoute> routes = {{.gsi = 40, .pin = 5}, {.gsi = 5, .pin = 6}};
  ASSERT_TRUE(guest.vm().SetGsiRouting(routes).ok());
  ASSERT_TRUE(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 40}).ok());
  EXPECT_EQ(GetErrno(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 40})), EBUSY);
  guest.Start(0, "one_spi");
  guest.Set(0, CoreX(2), 0);
  OnConsole(guest, [&](char byte) {
    if (byte == 'r') event.Signal();
  });
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
  EXPECT_TRUE(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 40, .deassign = true}).ok());
}

// Signalled by another thread while the guest waits.
TEST_P(GuestsTest, IrqFdWakesAWaitingGuest) {
  Guest guest("interrupts", Options());
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(guest.vm().RegisterIrqFd({.fd = event.fd(), .gsi = 5}).ok());
  guest.Start(0, "one_spi");
  guest.Set(0, CoreX(2), 0);
  std::thread host;
  OnConsole(guest, [&](char byte) {
    if (byte != 'r') return;
    host = std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      event.Signal();
    });
  });
  EXPECT_TRUE(guest.Run().powered_off());
  if (host.joinable()) host.join();
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5));
}

TEST_P(GuestsTest, ResampleIrqFd) {
  Guest guest("interrupts", Options());
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
  OnConsole(guest, [&](char) { event.Signal(); });
  EXPECT_TRUE(guest.Run().powered_off());
  done = true;
  source.join();
  EXPECT_THAT(guest.reports(), ElementsAre(kSpi | 5, kSpi | 5, kSpi | 5));
}

TEST_P(GuestsTest, LpisBetweenVcpus) {
  constexpr uint64_t kRounds = 50;
  Guest guest("interrupts", Options({0, 1}));
  guest.Start(0, "ping_pong");
  guest.Set(0, CoreX(5), kRounds);
  ASSERT_TRUE(guest.Run().powered_off());
  const std::vector<uint64_t> reports = guest.reports();
  ASSERT_GE(reports.size(), 2 * kRounds);
  for (uint64_t n = 0; n < 2 * kRounds; ++n) {
    ASSERT_EQ(reports[n], kLpi | (n % 2 == 0 ? 1 : 0)) << n;
  }
}

}  // namespace
}  // namespace firn::kvm::testing
