// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/rtc/rtc_device.h"

#include <gtest/gtest.h>

#include <array>

#include "devices/little_endian.h"
#include "devices/testing/counting_interrupt_line.h"

namespace firn {
namespace {

constexpr int64_t kNow = 1'700'000'000;

class FakeClock final : public WallClock {
 public:
  int64_t Nanoseconds() override { return now * 1'000'000'000; }
  int64_t now = kNow;
};

class FakeTimer final : public AlarmTimer {
 public:
  void Set(std::optional<int64_t> seconds) override { at = seconds; }
  std::optional<int64_t> at;
};

class RtcDeviceTest : public ::testing::Test {
 protected:
  uint32_t Read(uint64_t offset) {
    std::array<std::byte, 4> data;
    device_.Read(offset, absl::MakeSpan(data));
    return static_cast<uint32_t>(LoadLittleEndian(data));
  }
  uint32_t Read(RtcRegister reg) { return Read(static_cast<uint64_t>(reg)); }
  void Write(RtcRegister reg, uint32_t value) {
    std::array<std::byte, 4> data;
    StoreLittleEndian(value, absl::MakeSpan(data));
    device_.Write(static_cast<uint64_t>(reg), data);
  }

  FakeClock clock_;
  testing::CountingInterruptLine interrupt_;
  FakeTimer timer_;
  RtcDevice device_{clock_, &interrupt_, &timer_};
};

TEST_F(RtcDeviceTest, TellsTheWallClock) {
  EXPECT_EQ(Read(RtcRegister::kData), kNow);
  clock_.now += 61;
  EXPECT_EQ(Read(RtcRegister::kData), kNow + 61);
  EXPECT_EQ(Read(RtcRegister::kControl), 1u);
}

TEST_F(RtcDeviceTest, IdentifiesItselfAsAPrimeCell) {
  uint32_t part = 0, cell = 0;
  for (uint64_t i = 0; i < 4; ++i) {
    part |= Read(0xfe0 + 4 * i) << (8 * i);
    cell |= Read(0xff0 + 4 * i) << (8 * i);
  }
  EXPECT_EQ(part, 0x00041031u);
  EXPECT_EQ(cell, 0xb105f00du);
}

TEST_F(RtcDeviceTest, LoadSetsTheClockAndItGoesOn) {
  Write(RtcRegister::kLoad, 1000);
  EXPECT_EQ(Read(RtcRegister::kData), 1000u);
  EXPECT_EQ(Read(RtcRegister::kLoad), 1000u);
  clock_.now += 5;
  EXPECT_EQ(Read(RtcRegister::kData), 1005u);
}

TEST_F(RtcDeviceTest, AlarmGoesOffOnceAtItsSecond) {
  Write(RtcRegister::kMatch, kNow + 10);
  EXPECT_EQ(timer_.at, std::nullopt);  // masked
  Write(RtcRegister::kInterruptMask, 1);
  EXPECT_EQ(timer_.at, kNow + 10);
  clock_.now += 9;
  device_.CheckAlarm();  // too early
  EXPECT_EQ(interrupt_.count(), 0);
  EXPECT_EQ(timer_.at, kNow + 10);
  clock_.now += 1;
  device_.CheckAlarm();
  device_.CheckAlarm();
  EXPECT_EQ(interrupt_.count(), 1);
  EXPECT_EQ(timer_.at, std::nullopt);
  EXPECT_EQ(Read(RtcRegister::kRawInterrupt), 1u);
  EXPECT_EQ(Read(RtcRegister::kMaskedInterrupt), 1u);
  Write(RtcRegister::kInterruptClear, 1);
  EXPECT_EQ(Read(RtcRegister::kRawInterrupt), 0u);
  clock_.now += 100;
  device_.CheckAlarm();
  EXPECT_EQ(interrupt_.count(), 1);
}

TEST_F(RtcDeviceTest, AnAlarmThatWasSleptOverStillGoesOff) {
  Write(RtcRegister::kInterruptMask, 1);
  Write(RtcRegister::kMatch, kNow + 10);
  clock_.now += 1000;
  EXPECT_EQ(Read(RtcRegister::kRawInterrupt), 1u);
  EXPECT_EQ(interrupt_.count(), 1);
}

TEST_F(RtcDeviceTest, AnAlarmForNowGoesOffAtOnceAndForThePastDoesNot) {
  Write(RtcRegister::kInterruptMask, 1);
  Write(RtcRegister::kMatch, kNow);
  EXPECT_EQ(interrupt_.count(), 1);
  Write(RtcRegister::kInterruptClear, 1);
  Write(RtcRegister::kMatch, kNow - 1);
  clock_.now += 10;
  device_.CheckAlarm();
  EXPECT_EQ(interrupt_.count(), 1);
}

TEST_F(RtcDeviceTest, AMaskedAlarmInterruptsWhenItIsLetThrough) {
  Write(RtcRegister::kMatch, kNow + 1);
  clock_.now += 1;
  device_.CheckAlarm();
  EXPECT_EQ(Read(RtcRegister::kRawInterrupt), 1u);
  EXPECT_EQ(Read(RtcRegister::kMaskedInterrupt), 0u);
  EXPECT_EQ(interrupt_.count(), 0);
  Write(RtcRegister::kInterruptMask, 1);
  EXPECT_EQ(interrupt_.count(), 1);
}

TEST_F(RtcDeviceTest, AHostClockThatGoesBackRaisesNothing) {
  Write(RtcRegister::kInterruptMask, 1);
  Write(RtcRegister::kMatch, kNow + 10);
  clock_.now -= 3600;
  EXPECT_EQ(Read(RtcRegister::kData), kNow - 3600);
  EXPECT_EQ(interrupt_.count(), 0);
  clock_.now += 3610;
  device_.CheckAlarm();
  EXPECT_EQ(interrupt_.count(), 1);
}

TEST_F(RtcDeviceTest, TheTimerFollowsTheHostsClock) {
  Write(RtcRegister::kInterruptMask, 1);
  Write(RtcRegister::kMatch, kNow + 10);
  clock_.now -= 3600;
  device_.CheckAlarm();  // the timer tells that the clock was set
  EXPECT_EQ(timer_.at, kNow + 10);
  Write(RtcRegister::kLoad, kNow);  // so does the guest's own setting
  EXPECT_EQ(timer_.at, kNow - 3600 + 10);
}

TEST_F(RtcDeviceTest, TheTimerStopsWithTheMaskAndWaitsForTheNextWrapOfAnAlarmThatWentOff) {
  Write(RtcRegister::kInterruptMask, 1);
  Write(RtcRegister::kMatch, kNow + 10);
  Write(RtcRegister::kInterruptMask, 0);
  EXPECT_EQ(timer_.at, std::nullopt);
  clock_.now += 10;
  Write(RtcRegister::kInterruptMask, 1);
  EXPECT_EQ(interrupt_.count(), 1);
  EXPECT_EQ(timer_.at, std::nullopt);
  Write(RtcRegister::kInterruptClear, 1);
  EXPECT_EQ(timer_.at, kNow + 10 + (int64_t{1} << 32));
}

TEST_F(RtcDeviceTest, TheCounterWrapsWith32Bits) {
  Write(RtcRegister::kLoad, 0xffff'fffe);
  Write(RtcRegister::kMatch, 1);
  Write(RtcRegister::kInterruptMask, 1);
  EXPECT_EQ(timer_.at, kNow + 3);
  clock_.now += 3;
  EXPECT_EQ(Read(RtcRegister::kData), 1u);
  EXPECT_EQ(interrupt_.count(), 1);
}

TEST_F(RtcDeviceTest, WorksWithoutAnInterrupt) {
  RtcDevice device(clock_, nullptr);
  std::array<std::byte, 4> one{std::byte{1}};
  device.Write(static_cast<uint64_t>(RtcRegister::kInterruptMask), one);
  std::array<std::byte, 4> now;
  StoreLittleEndian(kNow, absl::MakeSpan(now));
  device.Write(static_cast<uint64_t>(RtcRegister::kMatch), now);
  EXPECT_EQ(device.stats().interrupts, 0u);
}

TEST_F(RtcDeviceTest, OtherWidthsAndOffsetsReadAsZeroAndReadOnlyStays) {
  std::array<std::byte, 8> data;
  for (const size_t size : {1, 2, 8}) {
    data.fill(std::byte{0xff});
    device_.Read(0, absl::MakeSpan(data).first(size));
    EXPECT_EQ(LoadLittleEndian(absl::MakeSpan(data).first(size)), 0u);
    device_.Write(4, absl::MakeConstSpan(data).first(size));
  }
  EXPECT_EQ(Read(1), 0u);
  EXPECT_EQ(Read(0x20), 0u);
  EXPECT_EQ(Read(0xfdc), 0u);
  EXPECT_EQ(Read(0x1000 - 2), 0u);
  EXPECT_EQ(Read(RtcRegister::kMatch), 0u);
  for (const RtcRegister reg : {RtcRegister::kData, RtcRegister::kControl,
                                RtcRegister::kRawInterrupt, RtcRegister::kMaskedInterrupt}) {
    const uint32_t before = Read(reg);
    Write(reg, ~before);
    EXPECT_EQ(Read(reg), before);
  }
}

}  // namespace
}  // namespace firn
