// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "devices/virtio/mmio/virtio_mmio.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/virtio_under_test.h"

namespace firn::virtio {
namespace {

using testing::EchoDevice;
using ::testing::HasSubstr;
using testing::kBufferBase;
using testing::MmioDriver;

constexpr uint64_t kOwnFeature = EchoDevice::kOwnFeature;

// Features is what the driver negotiates besides VERSION_1.
template <uint64_t Features>
class TransportUnderTest : public testing::VirtioUnderTest<EchoDevice> {
 public:
  TransportUnderTest() : VirtioUnderTest(std::make_unique<EchoDevice>()) {}

  void Drive() {
    // From before the first reset; no reset sets it back.
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(Features, 8);
    device().own_state = "echoes";
    driver().queue(0).SetUsedEvent(1);
    // Around the end of both rings.
    for (int i = 0; i < 13; ++i) Echo(0);
    for (int i = 0; i < 3; ++i) Echo(1);
    driver().Write(MmioRegister::kDeviceFeaturesSel, 1);
    driver().Write(MmioRegister::kDriverFeaturesSel, 7);
    driver().Write(MmioRegister::kQueueSel, 1);
  }
  void Clobber() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(Features ^ kFeatureEventIndex, 16);
    device().own_state.clear();
    Echo(1);
    testing::WriteString(driver().memory(), testing::kMemoryBase, std::string(0x2'0000, 'c'));
  }
  std::string GoOn() {
    std::string seen = Look();
    driver().Write(MmioRegister::kInterruptAck, 1);
    for (int i = 0; i < 20; ++i) {
      Echo(static_cast<uint32_t>(i % 3 == 0));
      seen += Look();
    }
    driver().queue(0).SetUsedEvent(driver().queue(0).used_index());
    Echo(0);
    seen += Look() + device().own_state;
    // And the reset comes as ever.
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(Features, 4);
    return seen + Look();
  }

  void Echo(uint32_t queue) {
    driver().queue(queue).Add({{kBufferBase, 64, true}});
    driver().Kick(queue);
  }

 protected:
  std::unique_ptr<EchoDevice> MakeDevice() override { return std::make_unique<EchoDevice>(); }
};

using Plain = TransportUnderTest<kOwnFeature>;
using WithEventIndex = TransportUnderTest<kFeatureEventIndex | kFeatureIndirectDescriptors>;
using BothKinds = ::testing::Types<Plain, WithEventIndex>;
INSTANTIATE_TYPED_TEST_SUITE_P(Transport, SaveRestoreTest, BothKinds);

template <typename Subject>
state::VirtioMmio StateOf(Subject& subject) {
  return subject.driver().transport().Save();
}

template <typename Subject>
class TransportStateTest : public ::testing::Test {
 protected:
  TransportStateTest() { subject.Drive(); }
  int Interrupts() { return subject.interrupts(); }
  Subject subject;
};
TYPED_TEST_SUITE(TransportStateTest, BothKinds, );

// The doorbell was in the eventfd, which is not in the state.
TYPED_TEST(TransportStateTest, APendingDoorbellIsServedOnce) {
  auto& subject = this->subject;
  const uint16_t used = subject.driver().queue(0).used_index();
  subject.driver().queue(0).SetUsedEvent(used);
  for (int i = 0; i < 2; ++i) subject.driver().queue(0).Add({{kBufferBase, 64, true}});
  subject.driver().transport().queue_event(0).Signal();
  const auto saved = subject.Save();
  const int before = this->Interrupts();
  ASSERT_TRUE(subject.Restore(saved).ok());  // with a look at each queue
  EXPECT_EQ(subject.driver().queue(0).used_index(), used + 2);
  EXPECT_EQ(this->Interrupts(), before + 1);
  subject.driver().transport().OnQueueEvent(0);
  EXPECT_EQ(this->Interrupts(), before + 1);
}

// A pass ended at its bound: the driver was not asked to ring again yet.
TYPED_TEST(TransportStateTest, AQueueInBetweenTwoPassesGoesOn) {
  auto& subject = this->subject;
  for (int i = 0; i < 8; ++i) subject.driver().queue(0).Add({{kBufferBase, 64, true}});
  subject.driver().transport().OnQueueEvent(0);
  ASSERT_FALSE(StateOf(subject).queues(0).position().notifications_enabled());
  const auto saved = subject.Save();
  subject.Clobber();
  ASSERT_TRUE(subject.Restore(saved).ok());
  EXPECT_TRUE(StateOf(subject).queues(0).position().notifications_enabled());
  EXPECT_EQ(subject.driver().queue(0).used_flags(), 0);
}

// Even where the guest has scribbled over what the device had written.
TYPED_TEST(TransportStateTest, ALookAtAnEmptyQueueLeavesNoTrace) {
  auto& subject = this->subject;
  const QueueSettings& rings = subject.driver().queue(0).settings();
  testing::WriteString(subject.driver().memory(), rings.used_ring, std::string(70, 's'));
  const auto saved = subject.Save();
  const int before = this->Interrupts();
  ASSERT_TRUE(subject.Restore(saved).ok());
  subject.driver().memory().StartDirtyTracking();
  for (size_t i = 0; i < 2; ++i) subject.driver().transport().OnQueueEvent(i);
  EXPECT_TRUE(subject.Save() == saved);
  EXPECT_EQ(this->Interrupts(), before);
  const auto dirty = subject.driver().memory().TakeDirty(0);
  ASSERT_TRUE(dirty.ok());
  for (const uint64_t word : *dirty) EXPECT_EQ(word, 0u);
}

TYPED_TEST(TransportStateTest, ADriverThatBrokeTheRulesHasToResetStill) {
  auto& subject = this->subject;
  subject.driver().queue(0).MakeAvailable(999);
  subject.driver().Kick(0);
  ASSERT_TRUE(subject.driver().Read(MmioRegister::kStatus) & kNeedsReset);
  const auto saved = subject.Save();
  EXPECT_FALSE(StateOf(subject).queues(0).has_position());
  const int before = this->Interrupts();
  subject.Clobber();
  const int clobbered = this->Interrupts();
  EXPECT_GE(clobbered, before);
  ASSERT_TRUE(subject.Restore(saved).ok());
  EXPECT_TRUE(subject.Save() == saved);
  EXPECT_EQ(this->Interrupts(), clobbered);
  EXPECT_TRUE(subject.driver().Read(MmioRegister::kStatus) & kNeedsReset);
  EXPECT_THAT(subject.driver().transport().last_failure().message(), HasSubstr("snapshot"));
  subject.Echo(1);
  EXPECT_EQ(subject.driver().queue(1).used_index(), 3);
  subject.Drive();
  EXPECT_FALSE(subject.driver().Read(MmioRegister::kStatus) & kNeedsReset);
}

// In the middle of section 3.1.1, where everything is the driver's still.
TEST(TransportStateStepsTest, EveryStepOfTheInitializationComesBack) {
  Plain subject;
  MmioDriver& driver = subject.driver();
  QueueSettings settings = testing::DriverQueue(driver.memory(), 8).settings();
  settings.used_ring = 3;  // not what a ring may be
  const std::vector<std::function<void()>> steps = {
      [&] { driver.Write(MmioRegister::kStatus, kAcknowledge); },
      [&] { driver.Write(MmioRegister::kStatus, kAcknowledge | kDriver); },
      [&] { driver.Write(MmioRegister::kDriverFeaturesSel, 1); },
      [&] { driver.Write(MmioRegister::kDriverFeatures, ~0u); },  // not what is offered
      [&] { driver.Write(MmioRegister::kDriverFeatures, 1); },
      [&] { driver.SetUpQueue(1, settings); },
      [&] { driver.Write(MmioRegister::kStatus, kAcknowledge | kDriver | kFeaturesOk); },
      [&] { driver.SetDriverOk(); },  // needs a reset at once
      [&] {
        driver.Write(MmioRegister::kStatus,
                     kAcknowledge | kDriver | kFeaturesOk | kDriverOk | kFailed);
      },
      [&] { driver.Write(MmioRegister::kStatus, 0); },
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i]();
    const auto saved = subject.Save();
    const uint32_t status = driver.Read(MmioRegister::kStatus);
    const absl::Status restored = subject.Restore(saved);
    ASSERT_TRUE(restored.ok()) << i << ": " << restored;
    EXPECT_TRUE(subject.Save() == saved) << i;
    EXPECT_EQ(driver.Read(MmioRegister::kStatus), status) << i;
  }
  EXPECT_EQ(subject.interrupts(), 1);  // of the malformed queue
}

struct BadState {
  std::string name;
  std::function<void(state::VirtioMmio&)> change;
  std::string message;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};

class BadTransportStateTest : public ::testing::TestWithParam<BadState> {};

TEST_P(BadTransportStateTest, IsRefusedByNameAndTheDeviceKeepsItsDriver) {
  Plain subject;
  subject.Drive();
  const auto before = subject.Save();
  state::VirtioMmio state = StateOf(subject);
  GetParam().change(state);
  const absl::Status status = subject.driver().RestoreTransport(subject.device(), state);
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
  EXPECT_TRUE(subject.Save() == before);
  subject.Echo(0);
  EXPECT_EQ(subject.driver().queue(0).used_index(), 14);
}

INSTANTIATE_TEST_SUITE_P(
    Transport, BadTransportStateTest,
    ::testing::Values(
        BadState{"Empty", [](auto& s) { s.Clear(); }, "device_id is 0",
                 absl::StatusCode::kFailedPrecondition},
        BadState{"AnotherDevice", [](auto& s) { s.set_device_id(2); },
                 "device_id is 2, but the device in this place is of type 4",
                 absl::StatusCode::kFailedPrecondition},
        BadState{"UnknownStatus", [](auto& s) { s.set_status(0x1f); }, "status is 0x1f"},
        BadState{"NeedsResetInStatus", [](auto& s) { s.set_status(0x4f); }, "status is 0x4f"},
        BadState{"StatusOutOfOrder", [](auto& s) { s.set_status(kDriverOk); },
                 "status is 0x4: 0x4 without 0x8"},
        BadState{"InterruptStatus", [](auto& s) { s.set_interrupt_status(4); },
                 "interrupt_status is 0x4"},
        BadState{"NeedsResetTooEarly",
                 [](auto& s) {
                   s.set_status(kAcknowledge | kDriver);
                   s.set_needs_reset(true);
                 },
                 "needs_reset is set without DRIVER_OK"},
        BadState{"FeaturesTooEarly", [](auto& s) { s.set_status(kAcknowledge); },
                 "driver_features is set without DRIVER"},
        BadState{"NoVersion1", [](auto& s) { s.set_driver_features(kOwnFeature); },
                 "driver_features lacks VIRTIO_F_VERSION_1"},
        BadState{"FeatureNotOffered",
                 [](auto& s) { s.set_driver_features(kFeatureVersion1 | 1ull << 40); },
                 "driver_features has 0x10000000000, which", absl::StatusCode::kFailedPrecondition},
        BadState{"TooFewQueues", [](auto& s) { s.mutable_queues()->RemoveLast(); },
                 "queues has 1 elements, but the device has 2"},
        BadState{"TooManyQueues", [](auto& s) { s.add_queues(); }, "queues has 3 elements"},
        BadState{"NoPosition", [](auto& s) { s.mutable_queues(1)->clear_position(); },
                 "queues[1]: position is missing"},
        BadState{"PositionOfAnUnreadyQueue", [](auto& s) { s.mutable_queues(0)->set_ready(false); },
                 "queues[0]: position is there"},
        BadState{"PositionBeforeDriverOk",
                 [](auto& s) { s.set_status(kAcknowledge | kDriver | kFeaturesOk); },
                 "queues[0]: position is there"},
        BadState{"PositionWithNeedsReset", [](auto& s) { s.set_needs_reset(true); },
                 "queues[0]: position is there"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Queues, BadTransportStateTest,
    ::testing::Values(
        BadState{"NextAvail",
                 [](auto& s) { s.mutable_queues(0)->mutable_position()->set_next_avail(0x1'0000); },
                 "queues[0]: position.next_avail is 0x10000"},
        BadState{"NextUsed",
                 [](auto& s) { s.mutable_queues(1)->mutable_position()->set_next_used(~0u); },
                 "queues[1]: position.next_used is 0xffffffff"},
        BadState{"InterruptedUsed",
                 [](auto& s) {
                   s.mutable_queues(0)->mutable_position()->set_interrupted_used(0x1'0000);
                 },
                 "position.interrupted_used is"},
        BadState{"InFlight",
                 [](auto& s) { s.mutable_queues(0)->mutable_position()->set_next_avail(14); },
                 "position.next_used is 13 and next_avail 14"},
        BadState{"Size", [](auto& s) { s.mutable_queues(1)->set_size(16); },
                 "queue 1: queue size 16"},
        BadState{"SizeOfZero", [](auto& s) { s.mutable_queues(0)->set_size(0); }, "queue size 0"},
        BadState{"HugeSize", [](auto& s) { s.mutable_queues(0)->set_size(~0u); }, "queue size"},
        BadState{"DescriptorTable",
                 [](auto& s) { s.mutable_queues(0)->set_descriptor_table(1ull << 60); },
                 "queue 0: the descriptor table"},
        BadState{"AvailRing", [](auto& s) { s.mutable_queues(0)->set_avail_ring(~1ull); },
                 "queue 0: the available ring"},
        BadState{"UsedRing", [](auto& s) { s.mutable_queues(1)->set_used_ring(2); },
                 "queue 1: the used ring"},
        BadState{"Device", [](auto& s) { s.set_device("bad"); }, "device: own_state is bad"}),
    [](const auto& info) { return info.param.name; });

TEST(TransportFeaturesTest, AFeatureThatWentMissingIsRefusedOnlyWhereItIsUsed) {
  Plain with;
  with.Drive();
  state::VirtioMmio state = StateOf(with);
  EchoDevice without;
  without.offered = 0;
  const absl::Status status = with.driver().RestoreTransport(without, state);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("driver_features has 0x20, which the guest's driver"));
  state.set_driver_features(kFeatureVersion1);
  EXPECT_TRUE(with.driver().RestoreTransport(without, state).ok());
}

}  // namespace
}  // namespace firn::virtio
