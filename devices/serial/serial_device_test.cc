// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/serial/serial_device.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

#include "devices/little_endian.h"
#include "devices/serial/uart_registers.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/string_sink.h"

namespace firn {
namespace {

using namespace uart;  // NOLINT(google-build-using-namespace): a register map

class SerialDeviceTest : public ::testing::Test {
 protected:
  SerialDeviceTest() { Write(kModemControl, kMcrRts); }
  uint8_t Read(uint64_t reg) {
    std::byte value{0xff};
    device_.Read(reg, absl::MakeSpan(&value, 1));
    return static_cast<uint8_t>(value);
  }
  void Write(uint64_t reg, uint8_t value) {
    const std::byte byte{value};
    device_.Write(reg, absl::MakeConstSpan(&byte, 1));
  }
  size_t Offer(std::string_view text) {
    return device_.OfferInput({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }
  std::string ReadAll() {
    std::string text;
    while (Read(kLineStatus) & kLsrDataReady) text += static_cast<char>(Read(kData));
    return text;
  }

  testing::StringSink output_;
  testing::CountingInterruptLine interrupt_;
  int room_calls_ = 0;
  SerialDevice device_{output_, interrupt_, [this] { ++room_calls_; }};
};

TEST_F(SerialDeviceTest, WritesGoToTheSinkAndTheTransmitterIsAlwaysEmpty) {
  for (const char c : std::string_view("firn\n")) {
    EXPECT_EQ(Read(kLineStatus), kLsrTransmitHoldingEmpty | kLsrTransmitterEmpty);
    Write(kData, static_cast<uint8_t>(c));
  }
  EXPECT_EQ(output_.text, "firn\n");
  EXPECT_EQ(interrupt_.count(), 0);
  EXPECT_EQ(device_.stats().bytes_written, 5u);
}

// Calls back in Write, as if another thread did meanwhile.
class BusySink final : public ByteSink {
 public:
  void Write(absl::Span<const std::byte>) override { meanwhile(); }
  std::function<void()> meanwhile;
};

TEST_F(SerialDeviceTest, InputDoesNotWaitForAWriterThatWaits) {
  BusySink sink;
  int room_calls = 0;
  SerialDevice device(sink, interrupt_, [&room_calls] { ++room_calls; });
  const std::byte byte{'x'}, rts{kMcrRts};
  device.Write(kModemControl, absl::MakeConstSpan(&rts, 1));
  size_t taken = 1;
  sink.meanwhile = [&] { taken = device.OfferInput(absl::MakeConstSpan(&byte, 1)); };
  device.Write(kData, absl::MakeConstSpan(&byte, 1));
  EXPECT_EQ(taken, 0u);
  EXPECT_EQ(room_calls, 1);  // it may be offered again
  EXPECT_EQ(device.OfferInput(absl::MakeConstSpan(&byte, 1)), 1u);
  sink.meanwhile = [] {};
  device.Write(kData, absl::MakeConstSpan(&byte, 1));
  EXPECT_EQ(room_calls, 1);
}

TEST_F(SerialDeviceTest, InputArrivesInOrder) {
  EXPECT_EQ(Offer("abc"), 3u);
  EXPECT_EQ(ReadAll(), "abc");
  EXPECT_EQ(Read(kData), 0);  // nothing there
}

TEST_F(SerialDeviceTest, InputIsBoundedAndAsksForMore) {
  const std::string flood(1000, 'x');
  EXPECT_EQ(Offer(flood), SerialDevice::kInputCapacity);
  EXPECT_EQ(Offer(flood), 0u);
  EXPECT_EQ(room_calls_, 0);
  for (size_t i = 0; i < SerialDevice::kInputCapacity / 2 - 1; ++i) Read(kData);
  EXPECT_EQ(room_calls_, 0);
  Read(kData);
  EXPECT_EQ(room_calls_, 1);
  Read(kData);
  EXPECT_EQ(room_calls_, 1);  // once
  EXPECT_EQ(Offer(flood), SerialDevice::kInputCapacity / 2 + 1);
  Write(kFifoControl, kFcrEnable | kFcrClearReceive);
  EXPECT_EQ(room_calls_, 2);
  EXPECT_EQ(ReadAll(), "");
  // The ring wraps around.
  Offer(std::string(200, 'y'));
  EXPECT_EQ(ReadAll(), std::string(200, 'y'));
}

TEST_F(SerialDeviceTest, ReceiveInterruptsForNewInput) {
  Offer("a");
  EXPECT_EQ(interrupt_.count(), 0);  // not enabled
  Write(kInterruptEnable, kIerReceived);
  EXPECT_EQ(interrupt_.count(), 1);  // it was waiting
  EXPECT_EQ(Read(kInterruptId), kIirReceived);
  EXPECT_EQ(Read(kInterruptId), kIirReceived);  // stays until the data is read
  EXPECT_EQ(ReadAll(), "a");
  EXPECT_EQ(Read(kInterruptId), kIirNone);
  Offer("b");
  EXPECT_EQ(interrupt_.count(), 2);
  // While the driver still handles the first one: an edge of its own, so that nothing is lost.
  Offer("c");
  EXPECT_EQ(interrupt_.count(), 3);
  EXPECT_EQ(ReadAll(), "bc");
}

TEST_F(SerialDeviceTest, BelowTheTriggerLevelTheCauseIsTheTimeout) {
  Write(kFifoControl, kFcrEnable | 0x80);  // 8 characters
  Write(kInterruptEnable, kIerReceived);
  Offer("1234567");
  EXPECT_EQ(Read(kInterruptId), kIirFifos | kIirTimeout);
  Offer("8");
  EXPECT_EQ(Read(kInterruptId), kIirFifos | kIirReceived);
  Write(kFifoControl, 0);
  EXPECT_EQ(Read(kInterruptId), kIirNone);  // switching FIFOs clears them
}

TEST_F(SerialDeviceTest, TransmitInterruptsOncePerLookAtTheCause) {
  Write(kInterruptEnable, kIerTransmitEmpty);
  EXPECT_EQ(interrupt_.count(), 1);
  EXPECT_EQ(Read(kInterruptId), kIirTransmitEmpty);
  EXPECT_EQ(Read(kInterruptId), kIirNone);
  Write(kData, 'a');
  EXPECT_EQ(interrupt_.count(), 2);
  Write(kData, 'b');  // pending already: that edge is not consumed
  EXPECT_EQ(interrupt_.count(), 2);
  EXPECT_EQ(Read(kInterruptId), kIirTransmitEmpty);
  Write(kInterruptEnable, kIerTransmitEmpty);  // still enabled: no new cause
  EXPECT_EQ(interrupt_.count(), 2);
  Write(kInterruptEnable, 0);
  Write(kInterruptEnable, kIerTransmitEmpty);
  EXPECT_EQ(interrupt_.count(), 3);
}

TEST_F(SerialDeviceTest, CausesAreToldByPriority) {
  Write(kModemControl, kMcrLoop);
  for (size_t i = 0; i <= SerialDevice::kInputCapacity; ++i) Write(kData, 'x');
  Write(kModemControl, kMcrLoop | kMcrRts);
  Write(kInterruptEnable, kIerMask);
  EXPECT_EQ(Read(kInterruptId), kIirLineStatus);
  EXPECT_EQ(Read(kLineStatus) & kLsrOverrun, kLsrOverrun);
  EXPECT_EQ(Read(kLineStatus) & kLsrOverrun, 0);
  EXPECT_EQ(Read(kInterruptId), kIirReceived);
  ReadAll();
  EXPECT_EQ(Read(kInterruptId), kIirTransmitEmpty);
  EXPECT_EQ(Read(kInterruptId), kIirModemStatus);
  EXPECT_NE(Read(kModemStatus) & 0x0f, 0);
  EXPECT_EQ(Read(kInterruptId), kIirNone);
}

TEST_F(SerialDeviceTest, LoopbackConnectsOutputsToInputs) {
  EXPECT_EQ(Read(kModemStatus) & 0xf0, kMsrCts | kMsrDsr | kMsrDcd);
  Write(kModemControl, kMcrLoop | kMcrOut2 | kMcrRts);
  EXPECT_EQ(Read(kModemStatus) & 0xf0, kMsrDcd | kMsrCts);  // what Linux's probe expects
  Write(kData, 'q');
  EXPECT_EQ(output_.text, "");
  EXPECT_EQ(ReadAll(), "q");
  EXPECT_EQ(Offer("z"), 0u);  // the line is cut
  Write(kModemControl, kMcrRts);
  EXPECT_EQ(room_calls_, 1);
  EXPECT_EQ(Offer("z"), 1u);
}

// The order of Linux's serial8250_do_startup and uart_port_startup.
TEST_F(SerialDeviceTest, InputWaitsUntilTheDriverHasOpenedThePort) {
  Write(kModemControl, kMcrDtr);  // a console that nobody has opened
  EXPECT_EQ(Offer("echo hello\n"), 0u);
  Write(kFifoControl, kFcrEnable);
  Write(kFifoControl, kFcrEnable | kFcrClearReceive);
  Write(kFifoControl, 0);
  EXPECT_EQ(Read(kLineStatus) & kLsrDataReady, 0);
  Read(kData);
  Write(kInterruptEnable, kIerReceived | kIerLineStatus);
  Write(kFifoControl, kFcrEnable);  // clears as well
  EXPECT_EQ(room_calls_, 0);
  EXPECT_EQ(Offer("echo hello\n"), 0u);
  Write(kModemControl, kMcrDtr | kMcrRts | kMcrOut2);
  EXPECT_EQ(room_calls_, 1);
  EXPECT_EQ(Offer("echo hello\n"), 11u);
  EXPECT_EQ(interrupt_.count(), 1);
  EXPECT_EQ(ReadAll(), "echo hello\n");
}

TEST_F(SerialDeviceTest, InputWaitsWhileTheGuestDropsRts) {
  EXPECT_EQ(Offer("ab"), 2u);
  Write(kModemControl, kMcrDtr);
  EXPECT_EQ(Offer("cd"), 0u);
  EXPECT_EQ(Read(kData), 'a');  // what has arrived stays
  EXPECT_EQ(room_calls_, 0);
  Write(kModemControl, kMcrDtr | kMcrRts);
  EXPECT_EQ(room_calls_, 1);
  EXPECT_EQ(Offer("cd"), 2u);
  EXPECT_EQ(ReadAll(), "bcd");
}

TEST_F(SerialDeviceTest, DivisorLatchHidesDataAndInterruptEnable) {
  Write(kInterruptEnable, kIerReceived);
  Write(kLineControl, kLcrDivisorLatch | 3);
  Write(kData, 0x12);
  Write(kInterruptEnable, 0x34);
  EXPECT_EQ(Read(kData), 0x12);
  EXPECT_EQ(Read(kInterruptEnable), 0x34);
  EXPECT_EQ(output_.text, "");
  Write(kLineControl, 3);
  EXPECT_EQ(Read(kInterruptEnable), kIerReceived);
  EXPECT_EQ(Read(kLineControl), 3);
}

TEST_F(SerialDeviceTest, ScratchKeepsAndReservedBitsDoNot) {
  Write(kScratch, 0xa5);
  EXPECT_EQ(Read(kScratch), 0xa5);
  Write(kInterruptEnable, 0xff);
  EXPECT_EQ(Read(kInterruptEnable), kIerMask);
  Write(kModemControl, 0xff);
  EXPECT_EQ(Read(kModemControl), kMcrMask);
  Write(kLineStatus, 0xff);
  Write(kModemStatus, 0xff);
  EXPECT_EQ(Read(kLineStatus), kLsrTransmitHoldingEmpty | kLsrTransmitterEmpty);
}

TEST_F(SerialDeviceTest, OtherWidthsAndOffsetsReadAsZero) {
  std::array<std::byte, 8> data;
  for (const size_t size : {2, 4, 8}) {
    data.fill(std::byte{0xff});
    device_.Read(kLineStatus, absl::MakeSpan(data).first(size));
    EXPECT_EQ(LoadLittleEndian(absl::MakeSpan(data).first(size)), 0u);
    device_.Write(kData, absl::MakeSpan(data).first(size));
  }
  EXPECT_EQ(Read(8), 0);
  EXPECT_EQ(Read(0xfff), 0);
  Write(8, 'x');
  EXPECT_EQ(output_.text, "");
  EXPECT_EQ(device_.stats().errors, 9u);
}

}  // namespace
}  // namespace firn
