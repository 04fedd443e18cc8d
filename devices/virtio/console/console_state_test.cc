// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "devices/testing/string_sink.h"
#include "devices/virtio/console/console_device.h"
#include "devices/virtio/console/console_state.pb.h"
#include "devices/virtio/testing/virtio_under_test.h"

namespace firn::virtio {
namespace {

using testing::kBufferBase;

// There before the device.
struct HasHost {
  firn::testing::StringSink output;
  int room_calls = 0;
};

std::unique_ptr<ConsoleDevice> MakeConsole(HasHost& host) {
  return std::make_unique<ConsoleDevice>(host.output, [&host] { ++host.room_calls; });
}

class ConsoleUnderTest : public HasHost, public testing::VirtioUnderTest<ConsoleDevice> {
 public:
  ConsoleUnderTest() : VirtioUnderTest(MakeConsole(*this)) {}

  // The guest listens, and what was typed filled the one buffer that it had posted exactly: the
  // doorbell for the next one has not been asked for yet.
  void Drive() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(kFeatureEventIndex, 16);
    Transmit();
    driver().queue(0).Add({{kBufferBase, 4, true}});
    Offer("abcd");
  }
  void Clobber() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(0, 8);
    Offer("nobody listens");
  }
  std::string GoOn() {
    const int rooms = room_calls;
    std::string seen = Look() + std::to_string(Offer("efgh"));
    driver().queue(0).Add({{kBufferBase, 3, true}});
    driver().Kick(0);
    seen += std::to_string(Offer("efgh")) + testing::ReadString(driver().memory(), kBufferBase, 3);
    Transmit();
    return seen + Look() + std::to_string(room_calls - rooms);
  }

  void Transmit() {
    driver().queue(1).Add({{kBufferBase + 0x100, 5, false}});
    driver().Kick(1);
  }
  size_t Offer(std::string_view text) {
    return device().OfferInput({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }

 protected:
  std::unique_ptr<ConsoleDevice> MakeDevice() override { return MakeConsole(*this); }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Console, SaveRestoreTest, ConsoleUnderTest);

state::Console StateOf(const ConsoleDevice& device) {
  state::Console state;
  EXPECT_TRUE(state.ParseFromString(device.SaveDevice()));
  return state;
}

TEST(ConsoleStateTest, InputThatWaitsIsAskedForAgainInTheRestoredOne) {
  ConsoleUnderTest subject;
  subject.Drive();
  EXPECT_TRUE(StateOf(subject.device()).guest_has_written());
  EXPECT_FALSE(StateOf(subject.device()).input_waits());
  EXPECT_EQ(subject.Offer("e"), 0u);
  EXPECT_TRUE(StateOf(subject.device()).input_waits());
  // The guest has scribbled over what the device had written.
  testing::WriteString(subject.driver().memory(), subject.driver().queue(0).settings().used_ring,
                       std::string(4 + 8 * 16 + 2, 's'));
  const auto saved = subject.Save();
  subject.Clobber();
  const int rooms = subject.room_calls;
  ASSERT_TRUE(subject.Restore(saved).ok());  // with a look at each queue
  EXPECT_EQ(subject.room_calls, rooms + 1);
  // The host offers again and leaves no trace, as there still is no buffer.
  EXPECT_EQ(subject.Offer("e"), 0u);
  EXPECT_TRUE(subject.Save() == saved);
}

TEST(ConsoleStateTest, OutputThatWaitsGoesOnInTheRestoredOneWhereItWas) {
  ConsoleUnderTest subject;
  subject.Drive();
  testing::WriteString(subject.driver().memory(), kBufferBase + 0x100, "hello");
  subject.output.text.clear();
  subject.output.room = 3;
  subject.Transmit();
  EXPECT_EQ(StateOf(subject.device()).transmitted(), 3u);
  const auto saved = subject.Save();
  subject.Clobber();
  subject.output.room = 100;
  ASSERT_TRUE(subject.Restore(saved).ok());  // with a look at each queue
  EXPECT_EQ(subject.output.text, "hello");
  EXPECT_EQ(StateOf(subject.device()).transmitted(), 0u);
}

TEST(ConsoleStateTest, AMalformedStateIsRefused) {
  firn::testing::StringSink output;
  ConsoleDevice device(output);
  EXPECT_EQ(device.RestoreDevice("\xff\xff", ActiveQueues()).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace firn::virtio
