// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/console/console_device.h"

#include <gtest/gtest.h>

#include <string_view>

#include "devices/testing/string_sink.h"
#include "devices/virtio/testing/mmio_driver.h"

namespace firn::virtio {
namespace {

using testing::kBufferBase;

class ConsoleDeviceTest : public ::testing::Test {
 protected:
  size_t Offer(std::string_view text) {
    return device_.OfferInput({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }

  // The guest writes something, as it does before it listens.
  void Greet() {
    testing::WriteString(driver_.memory(), kBufferBase + 0x800, ".");
    driver_.queue(1).Add({{kBufferBase + 0x800, 1, false}});
    driver_.Kick(1);
  }
  void StartAndGreet() {
    driver_.Start(0);
    Greet();
  }

  firn::testing::StringSink output_;
  int room_calls_ = 0;
  ConsoleDevice device_{output_, [this] { ++room_calls_; }};
  testing::MmioDriver driver_{device_};
};

TEST_F(ConsoleDeviceTest, OffersNeitherSizeNorMultiport) {
  EXPECT_EQ(driver_.OfferedFeatures(), kCommonFeatures);
  std::array<std::byte, 4> data{std::byte{1}};
  driver_.transport().Read(kMmioConfig, absl::MakeSpan(data));
  EXPECT_EQ(data[0], std::byte{0});
}

TEST_F(ConsoleDeviceTest, TransmitsChainsInOrder) {
  driver_.Start(0);
  testing::WriteString(driver_.memory(), kBufferBase, "hello world");
  driver_.queue(1).Add({{kBufferBase, 5, false}, {kBufferBase + 5, 1, false}});
  driver_.queue(1).Add({{kBufferBase + 6, 5, false}});
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello world");
  EXPECT_EQ(driver_.queue(1).used_index(), 2);
  EXPECT_EQ(driver_.queue(1).used(0).length, 0u);
  EXPECT_EQ(driver_.interrupt().count(), 1);
}

TEST_F(ConsoleDeviceTest, OutputWithoutRoomWaitsInTheQueue) {
  driver_.Start(0);
  testing::WriteString(driver_.memory(), kBufferBase, "hello world");
  driver_.queue(1).Add({{kBufferBase, 5, false}, {kBufferBase + 5, 3, false}});
  driver_.queue(1).Add({{kBufferBase + 8, 3, false}});
  output_.room = 6;
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello ");
  EXPECT_EQ(driver_.queue(1).used_index(), 0);
  EXPECT_EQ(driver_.interrupt().count(), 0);

  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello ");
  output_.room = 3;
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello wor");
  EXPECT_EQ(driver_.queue(1).used_index(), 1);
  EXPECT_EQ(driver_.interrupt().count(), 1);

  output_.room = 100;
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello world");
  EXPECT_EQ(driver_.queue(1).used_index(), 2);
  EXPECT_EQ(device_.counters().bytes_written.value(), 11u);
}

TEST_F(ConsoleDeviceTest, ResetForgetsWhatWaits) {
  driver_.Start(0);
  testing::WriteString(driver_.memory(), kBufferBase, "hello");
  driver_.queue(1).Add({{kBufferBase, 5, false}});
  output_.room = 3;
  driver_.Kick(1);
  driver_.Write(MmioRegister::kStatus, 0);
  output_.room = 100;
  driver_.Start(0);
  driver_.queue(1).Add({{kBufferBase, 5, false}});
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "helhello");
}

// The driver may change a chain that it has given away: what is out, is out.
TEST_F(ConsoleDeviceTest, ChainThatShrinksWhileItWaitsEnds) {
  driver_.Start(0);
  testing::WriteString(driver_.memory(), kBufferBase, "hello world");
  const uint16_t head = driver_.queue(1).Add({{kBufferBase, 11, false}});
  output_.room = 8;
  driver_.Kick(1);
  driver_.queue(1).SetDescriptor(head,
                                 {.address = kBufferBase, .length = 4, .flags = 0, .next = 0});
  output_.room = 100;
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello wo");
  EXPECT_EQ(driver_.queue(1).used_index(), 1);
  driver_.queue(1).Add({{kBufferBase, 5, false}});
  driver_.Kick(1);
  EXPECT_EQ(output_.text, "hello wohello");
}

TEST_F(ConsoleDeviceTest, InputFillsPostedBuffersAndTheRestWaits) {
  EXPECT_EQ(Offer("early"), 0u);  // nobody there
  StartAndGreet();
  EXPECT_EQ(room_calls_, 1);
  const int interrupts = driver_.interrupt().count();
  room_calls_ = 0;
  EXPECT_EQ(Offer("x"), 0u);
  driver_.queue(0).Add({{kBufferBase, 4, true}});
  driver_.queue(0).Add({{kBufferBase + 0x100, 4, true}});
  EXPECT_EQ(room_calls_, 0);
  driver_.Kick(0);
  EXPECT_EQ(room_calls_, 1);
  EXPECT_EQ(Offer("abcdefghij"), 8u);
  EXPECT_EQ(testing::ReadString(driver_.memory(), kBufferBase, 4), "abcd");
  EXPECT_EQ(testing::ReadString(driver_.memory(), kBufferBase + 0x100, 4), "efgh");
  EXPECT_EQ(driver_.interrupt().count(), interrupts + 1);
  driver_.queue(0).Add({{kBufferBase + 0x200, 4, true}});
  driver_.Kick(0);
  EXPECT_EQ(room_calls_, 2);
  EXPECT_EQ(Offer("ij"), 2u);
  EXPECT_EQ(driver_.queue(0).used(2).length, 2u);
  driver_.queue(0).Add({{kBufferBase, 4, true}});
  driver_.Kick(0);
  EXPECT_EQ(room_calls_, 2);  // nothing waits
}

// Linux's driver posts buffers before it knows its port, and drops what comes in them until then.
TEST_F(ConsoleDeviceTest, InputWaitsUntilTheGuestHasWritten) {
  driver_.Start(0);
  driver_.queue(0).Add({{kBufferBase, 4, true}});
  driver_.Kick(0);
  EXPECT_EQ(Offer("hi"), 0u);
  driver_.Kick(0);
  EXPECT_EQ(room_calls_, 0);
  EXPECT_EQ(driver_.queue(0).used_index(), 0);
  Greet();
  EXPECT_EQ(room_calls_, 1);
  EXPECT_EQ(Offer("hi"), 2u);
  EXPECT_EQ(testing::ReadString(driver_.memory(), kBufferBase, 2), "hi");

  driver_.Write(MmioRegister::kStatus, 0);
  driver_.Start(0);
  driver_.queue(0).Add({{kBufferBase, 4, true}});
  EXPECT_EQ(Offer("hi"), 0u) << "after a reset the guest starts anew";
}

TEST_F(ConsoleDeviceTest, AReceiveBufferThatIsNotWritableNeedsAReset) {
  StartAndGreet();
  driver_.queue(0).Add({{kBufferBase, 4, false}});
  EXPECT_EQ(Offer("a"), 0u);
  EXPECT_TRUE(driver_.Read(MmioRegister::kStatus) & kNeedsReset);
}

TEST_F(ConsoleDeviceTest, AMalformedReceiveQueueNeedsAReset) {
  StartAndGreet();
  driver_.queue(0).MakeAvailable(500);
  EXPECT_EQ(Offer("a"), 0u);
  EXPECT_TRUE(driver_.Read(MmioRegister::kStatus) & kNeedsReset);
  EXPECT_EQ(Offer("a"), 0u);
  driver_.Write(MmioRegister::kStatus, 0);
  StartAndGreet();
  driver_.queue(0).Add({{kBufferBase, 4, true}});
  EXPECT_EQ(Offer("a"), 1u);
}

TEST_F(ConsoleDeviceTest, AfterAResetNoBufferIsTouched) {
  StartAndGreet();
  driver_.queue(0).Add({{kBufferBase, 4, true}});
  driver_.Write(MmioRegister::kStatus, 0);
  EXPECT_EQ(Offer("a"), 0u);
  EXPECT_EQ(driver_.queue(0).used_index(), 0);
}

}  // namespace
}  // namespace firn::virtio
