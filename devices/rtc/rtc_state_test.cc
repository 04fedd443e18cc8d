// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "devices/little_endian.h"
#include "devices/rtc/rtc_device.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/save_restore.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

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

class RtcUnderTest {
 public:
  using Saved = SavedState;

  // The guest's clock is set apart, and its alarm is to come.
  void Drive() {
    clock_.now = kNow + 10;
    Write(RtcRegister::kLoad, 5000);
    Write(RtcRegister::kMatch, 5020);
    Write(RtcRegister::kInterruptMask, 1);
    clock_.now = kNow + 15;
    Read(RtcRegister::kData);
  }
  void Clobber() {
    Write(RtcRegister::kLoad, 77);
    Write(RtcRegister::kMatch, 77);
    Write(RtcRegister::kInterruptMask, 0);
  }
  Saved Save() { return {device_->Save().SerializeAsString()}; }
  absl::Status Restore(const Saved& saved) {
    state::Rtc state;
    if (!state.ParseFromString(saved.state)) return absl::InvalidArgumentError("not a message");
    auto device = RtcDevice::Restore(clock_, &interrupt_, &timer_, state);
    if (!device.ok()) return device.status();
    device_ = *std::move(device);
    return absl::OkStatus();
  }
  int interrupts() { return interrupt_.count(); }

  std::string GoOn() {
    std::string seen;
    for (const int64_t later : {0, 10, 10, 10}) {
      clock_.now += later;
      seen += " timer " + std::to_string(timer_.at.value_or(0));
      if (timer_.at && clock_.now >= *timer_.at) device_->CheckAlarm();
      for (const RtcRegister reg : {RtcRegister::kData, RtcRegister::kMatch, RtcRegister::kLoad,
                                    RtcRegister::kInterruptMask, RtcRegister::kRawInterrupt}) {
        seen += " " + std::to_string(Read(reg));
      }
    }
    return seen;
  }

  uint32_t Read(RtcRegister reg) {
    std::array<std::byte, 4> data;
    device_->Read(static_cast<uint64_t>(reg), absl::MakeSpan(data));
    return static_cast<uint32_t>(LoadLittleEndian(data));
  }
  void Write(RtcRegister reg, uint32_t value) {
    std::array<std::byte, 4> data;
    StoreLittleEndian(value, absl::MakeSpan(data));
    device_->Write(static_cast<uint64_t>(reg), data);
  }
  FakeClock& clock() { return clock_; }
  FakeTimer& timer() { return timer_; }
  RtcDevice& device() { return *device_; }

 private:
  FakeClock clock_;
  testing::CountingInterruptLine interrupt_;
  FakeTimer timer_;
  std::unique_ptr<RtcDevice> device_ = std::make_unique<RtcDevice>(clock_, &interrupt_, &timer_);
};

INSTANTIATE_TYPED_TEST_SUITE_P(Rtc, SaveRestoreTest, RtcUnderTest);

// Hours later, on another host.
TEST(RtcStateTest, AnAlarmThatCameDueMeanwhileGoesOffOnceWhenTheOwnerLooks) {
  RtcUnderTest subject;
  subject.Drive();
  const auto saved = subject.Save();
  subject.clock().now += 3600;
  ASSERT_TRUE(subject.Restore(saved).ok());
  EXPECT_EQ(subject.interrupts(), 0);
  EXPECT_EQ(subject.timer().at, kNow + 10 + 20);
  subject.device().CheckAlarm();
  EXPECT_EQ(subject.interrupts(), 1);
  subject.device().CheckAlarm();
  EXPECT_EQ(subject.interrupts(), 1);
  EXPECT_EQ(subject.Read(RtcRegister::kData), 5005u + 3600);
}

TEST(RtcStateTest, AWallClockThatIsBehindMatchesNothing) {
  RtcUnderTest subject;
  subject.Drive();
  const auto saved = subject.Save();
  subject.clock().now -= 3600;
  ASSERT_TRUE(subject.Restore(saved).ok());
  subject.device().CheckAlarm();
  EXPECT_EQ(subject.interrupts(), 0);
  EXPECT_EQ(subject.Read(RtcRegister::kData), 5005u - 3600);
  EXPECT_EQ(subject.timer().at, kNow + 10 + 20);
}

TEST(RtcStateTest, APendingInterruptIsNotRaisedTwice) {
  RtcUnderTest subject;
  subject.Drive();
  subject.clock().now += 60;
  subject.device().CheckAlarm();
  ASSERT_EQ(subject.interrupts(), 1);
  const auto saved = subject.Save();
  subject.Write(RtcRegister::kInterruptClear, 1);
  ASSERT_TRUE(subject.Restore(saved).ok());
  subject.device().CheckAlarm();
  EXPECT_EQ(subject.Read(RtcRegister::kMaskedInterrupt), 1u);
  EXPECT_EQ(subject.interrupts(), 1);
  EXPECT_EQ(subject.timer().at, std::nullopt);
}

TEST(RtcStateTest, ATimeThatNoClockTellsIsRefused) {
  FakeClock clock;
  for (const int64_t seconds :
       {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    state::Rtc state;
    state.set_wall_seconds(seconds);
    const auto device = RtcDevice::Restore(clock, nullptr, nullptr, state);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(device.status().message(), HasSubstr("wall_seconds is "));
  }
}

}  // namespace
}  // namespace firn
