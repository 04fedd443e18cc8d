// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/vmclock/vmclock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/save_restore.h"
#include "devices/vmclock/vmclock_abi.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using vmclock::Abi;

constexpr GuestAddress kAddress(0x1007'0000);
constexpr uint64_t kSize = 0x1'0000;
constexpr uint64_t kFrequency = 62'500'000;
constexpr int64_t kSecond = 1'000'000'000;

class VmClockUnderTest {
 public:
  using Saved = SavedState;

  explicit VmClockUnderTest(uint64_t frequency = kFrequency)
      : frequency_(frequency), range_(*GuestRange::Create(kAddress, kSize)) {
    memory_ = *GuestMemory::Create({range_});
    device_ = *VmClock::Create(*memory_, range_, interrupt_, frequency_,
                               {.counter = 1000, .unix_nanoseconds = 100 * kSecond});
  }
  void Drive() {
    EXPECT_TRUE(device_->Disrupt({2000, 200 * kSecond + kSecond / 2}).ok());
    EXPECT_TRUE(device_->Renew({3000, 300 * kSecond + kSecond / 4}, 0x1234'5678'9abc).ok());
  }
  void Clobber() { EXPECT_TRUE(device_->Renew({77, 77 * kSecond}, 77).ok()); }
  Saved Save() { return {device_->Save().SerializeAsString()}; }
  absl::Status Restore(const Saved& saved) {
    state::VmClock state;
    if (!state.ParseFromString(saved.state)) return absl::InvalidArgumentError("not a message");
    auto device = VmClock::Restore(*memory_, range_, interrupt_, frequency_, state);
    if (!device.ok()) return device.status();
    device_ = *std::move(device);
    return absl::OkStatus();
  }
  int interrupts() { return interrupt_.count(); }
  std::string GoOn() {
    std::string seen = Text();
    EXPECT_TRUE(device_->Disrupt({9000, 900 * kSecond}).ok());
    return seen + Text();
  }

  // What the guest reads.
  Abi Seen() const { return *memory_->Load<Abi>(kAddress); }
  // The time of day (UTC) that the guest makes of `counter`, as the specification says, in
  // nanoseconds.
  uint64_t TimeAt(uint64_t counter) const {
    const Abi abi = Seen();
    unsigned __int128 time =
        static_cast<unsigned __int128>(counter - abi.counter_value) * abi.counter_period_frac_sec;
    time >>= abi.counter_period_shift;
    const uint64_t utc = abi.time_sec - static_cast<uint64_t>(abi.tai_offset_sec);
    time += (static_cast<unsigned __int128>(utc) << 64) + abi.time_frac_sec;
    const auto fraction = static_cast<uint64_t>(time);
    return static_cast<uint64_t>(time >> 64) * uint64_t{kSecond} +
           static_cast<uint64_t>((static_cast<unsigned __int128>(fraction) * uint64_t{kSecond}) >>
                                 64);
  }

 private:
  std::string Text() const {
    const Abi abi = Seen();
    return absl::StrCat(" ", abi.seq_count, " ", abi.disruption_marker, " ", abi.counter_value, " ",
                        abi.time_sec, " ", abi.time_frac_sec, " ", abi.vm_generation_counter);
  }

  const uint64_t frequency_;
  const GuestRange range_;
  testing::CountingInterruptLine interrupt_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<VmClock> device_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(VmClock, SaveRestoreTest, VmClockUnderTest);

TEST(VmClockTest, SaysWhatItIs) {
  const Abi abi = VmClockUnderTest().Seen();
  EXPECT_EQ(abi.magic, 0x4b4c'4356u);
  EXPECT_EQ(abi.size, kSize);
  EXPECT_EQ(abi.version, 1);
  EXPECT_EQ(abi.counter_id, 0);
  EXPECT_EQ(abi.time_type, 1) << "TAI";
  EXPECT_EQ(abi.tai_offset_sec, 37);
  EXPECT_EQ(abi.flags, 0x301u);
  EXPECT_EQ(abi.clock_status, 3);
  EXPECT_EQ(abi.seq_count, 0u);
  EXPECT_EQ(abi.disruption_marker, 0u);
  EXPECT_EQ(abi.vm_generation_counter, 0u);
}

TEST(VmClockTest, TheTimeOfDayFollowsTheCounter) {
  for (const uint64_t frequency : {uint64_t{2}, uint64_t{3}, uint64_t{1} << 20, kFrequency,
                                   uint64_t{1'000'000'000}, (uint64_t{1} << 32) + 1}) {
    const VmClockUnderTest subject(frequency);
    EXPECT_EQ(subject.TimeAt(1000), 100u * kSecond) << frequency;
    // Ten years later, to a microsecond.
    const uint64_t years = 10 * 365 * 86400ull;
    const auto late = static_cast<int64_t>(subject.TimeAt(1000 + years * frequency));
    EXPECT_NEAR(static_cast<double>(late - (100 + static_cast<int64_t>(years)) * kSecond), 0, 1000)
        << frequency;
  }
}

TEST(VmClockTest, AHaltChangesTheMarkerAndACopyTheGeneration) {
  VmClockUnderTest subject;
  subject.Drive();
  const Abi abi = subject.Seen();
  EXPECT_EQ(abi.seq_count, 4u);
  EXPECT_EQ(abi.disruption_marker, 2u);
  EXPECT_EQ(abi.vm_generation_counter, 0x1234'5678'9abcu);
  EXPECT_EQ(abi.counter_value, 3000u);
  EXPECT_EQ(abi.time_sec, 337u);
  EXPECT_EQ(abi.time_frac_sec, uint64_t{1} << 62);
  EXPECT_EQ(subject.interrupts(), 2);
}

TEST(VmClockTest, ASequenceNumberOfAHalfDoneUpdateIsRefused) {
  VmClockUnderTest subject;
  state::VmClock state;
  state.set_seq_count(5);
  const absl::Status status = subject.Restore({state.SerializeAsString()});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("seq_count is 5"));
}

TEST(VmClockTest, ACounterThatDoesNotCountIsRefused) {
  const GuestRange range = *GuestRange::Create(kAddress, kSize);
  const auto memory = *GuestMemory::Create({range});
  testing::CountingInterruptLine interrupt;
  EXPECT_EQ(VmClock::Create(*memory, range, interrupt, 1, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace firn
