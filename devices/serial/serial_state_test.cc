// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "devices/serial/serial_device.h"
#include "devices/serial/uart_registers.h"
#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/save_restore.h"
#include "devices/testing/string_sink.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using namespace uart;  // NOLINT(google-build-using-namespace): a register map

class SerialUnderTest {
 public:
  using Saved = SavedState;

  void Drive() {
    Write(kLineControl, kLcrDivisorLatch | 3);
    Write(kData, 0x12);
    Write(kInterruptEnable, 0x34);
    Write(kLineControl, 0x1b);
    Write(kFifoControl, kFcrEnable | 0x80);
    Write(kInterruptEnable, kIerReceived | kIerTransmitEmpty | kIerLineStatus);
    Write(kScratch, 0x5a);
    Write(kModemControl, kMcrLoop | kMcrRts | kMcrOut2);
    for (size_t i = 0; i <= SerialDevice::kInputCapacity; ++i) Write(kData, 'x');  // an overrun
    Write(kModemControl, kMcrRts | kMcrOut2);
    // The ring is not at its start.
    for (int i = 0; i < 100; ++i) Read(kData);
    Offer(std::string(60, 'a') + std::string(60, 'b'));
  }
  void Clobber() {
    for (uint64_t reg = 0; reg < kRegisters; ++reg) Write(reg, 0x06);
    Read(kLineStatus);
    Read(kModemStatus);
    Offer("else");
  }
  Saved Save() { return {device_->Save().SerializeAsString()}; }
  absl::Status Restore(const Saved& saved) {
    state::Serial state;
    if (!state.ParseFromString(saved.state)) return absl::InvalidArgumentError("not a message");
    auto device = SerialDevice::Restore(
        output_, interrupt_, [this] { ++room_calls_; }, state);
    if (!device.ok()) return device.status();
    device_ = *std::move(device);
    return absl::OkStatus();
  }
  int interrupts() { return interrupt_.count(); }

  std::string GoOn() {
    std::string seen;
    const auto look = [&] {
      for (const uint64_t reg : {kInterruptId, kInterruptId, kLineControl, kModemControl,
                                 kLineStatus, kModemStatus, kScratch, kLineStatus}) {
        seen.push_back(static_cast<char>(Read(reg)));
      }
    };
    look();
    const int rooms = room_calls_;
    while (Read(kLineStatus) & kLsrDataReady) seen.push_back(static_cast<char>(Read(kData)));
    seen += std::to_string(room_calls_ - rooms) + std::to_string(Offer("more"));
    Write(kLineControl, kLcrDivisorLatch);
    seen.push_back(static_cast<char>(Read(kData)));
    seen.push_back(static_cast<char>(Read(kInterruptEnable)));
    Write(kLineControl, 0);
    look();
    return seen;
  }

 private:
  uint8_t Read(uint64_t reg) {
    std::byte value{0xff};
    device_->Read(reg, absl::MakeSpan(&value, 1));
    return static_cast<uint8_t>(value);
  }
  void Write(uint64_t reg, uint8_t value) {
    const std::byte byte{value};
    device_->Write(reg, absl::MakeConstSpan(&byte, 1));
  }
  size_t Offer(std::string_view text) {
    return device_->OfferInput({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }

  testing::StringSink output_;
  testing::CountingInterruptLine interrupt_;
  int room_calls_ = 0;
  std::unique_ptr<SerialDevice> device_ =
      std::make_unique<SerialDevice>(output_, interrupt_, [this] { ++room_calls_; });
};

INSTANTIATE_TYPED_TEST_SUITE_P(Serial, SaveRestoreTest, SerialUnderTest);

TEST(SerialStateTest, EveryFieldIsDriven) {
  SerialUnderTest subject;
  subject.Drive();
  state::Serial state;
  ASSERT_TRUE(state.ParseFromString(subject.Save().state));
  EXPECT_EQ(state.interrupt_enable(), 7u);
  EXPECT_EQ(state.fifo_control(), 0x81u);
  EXPECT_EQ(state.line_control(), 0x1bu);
  EXPECT_EQ(state.modem_control(), kMcrRts | kMcrOut2);
  EXPECT_EQ(state.scratch(), 0x5au);
  EXPECT_EQ(state.divisor_low(), 0x12u);
  EXPECT_EQ(state.divisor_high(), 0x34u);
  EXPECT_NE(state.modem_changes(), 0u);
  EXPECT_TRUE(state.overrun());
  EXPECT_TRUE(state.transmit_empty());
  EXPECT_EQ(state.input(), std::string(156, 'x') + std::string(60, 'a') + std::string(40, 'b'));
  EXPECT_TRUE(state.input_waits());
}

TEST(SerialStateTest, AFieldOutOfRangeIsRefusedByName) {
  using Change = std::function<void(state::Serial&)>;
  const std::vector<std::pair<Change, std::string>> cases = {
      {[](auto& s) { s.set_interrupt_enable(0x10); }, "interrupt_enable is 0x10"},
      {[](auto& s) { s.set_fifo_control(0x100); }, "fifo_control is 0x100"},
      {[](auto& s) { s.set_line_control(0x100); }, "line_control"},
      {[](auto& s) { s.set_modem_control(0x20); }, "modem_control"},
      {[](auto& s) { s.set_scratch(~0u); }, "scratch"},
      {[](auto& s) { s.set_divisor_low(256); }, "divisor_low"},
      {[](auto& s) { s.set_divisor_high(256); }, "divisor_high"},
      {[](auto& s) { s.set_modem_changes(0x10); }, "modem_changes"},
      {[](auto& s) { s.set_input(std::string(257, 'x')); }, "input has 257 bytes"},
  };
  testing::StringSink output;
  testing::CountingInterruptLine interrupt;
  for (const auto& [change, message] : cases) {
    state::Serial state;
    change(state);
    const auto device = SerialDevice::Restore(output, interrupt, nullptr, state);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(device.status().message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace firn
