// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/serial/serial_device.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "devices/little_endian.h"
#include "devices/serial/uart_registers.h"
#include "devices/state_field.h"

namespace firn {

bool SerialDevice::InputQueue::Push(std::byte byte) {
  if (room() == 0) return false;
  bytes_[(first_ + size_) % bytes_.size()] = byte;
  ++size_;
  return true;
}

std::byte SerialDevice::InputQueue::Pop() {
  if (size_ == 0) return std::byte{0};
  const std::byte byte = bytes_[first_];
  first_ = (first_ + 1) % bytes_.size();
  --size_;
  return byte;
}

std::string SerialDevice::InputQueue::Content() const {
  std::string content;
  for (size_t i = 0; i < size_; ++i) {
    content.push_back(static_cast<char>(bytes_[(first_ + i) % bytes_.size()]));
  }
  return content;
}

SerialDevice::SerialDevice(ByteSink& output, InterruptLine& interrupt,
                           std::function<void()> on_input_room)
    : output_(output), interrupt_(interrupt), on_input_room_(std::move(on_input_room)) {}

state::Serial SerialDevice::Save() const {
  absl::MutexLock lock(&mutex_);
  state::Serial state;
  state.set_interrupt_enable(state_.interrupt_enable);
  state.set_fifo_control(state_.fifo_control);
  state.set_line_control(state_.line_control);
  state.set_modem_control(state_.modem_control);
  state.set_scratch(state_.scratch);
  state.set_divisor_low(state_.divisor_low);
  state.set_divisor_high(state_.divisor_high);
  state.set_modem_changes(state_.modem_changes);
  state.set_overrun(state_.overrun);
  state.set_transmit_empty(state_.transmit_empty);
  state.set_input(state_.input.Content());
  state.set_input_waits(input_waits_);
  return state;
}

absl::StatusOr<std::unique_ptr<SerialDevice>> SerialDevice::Restore(
    ByteSink& output, InterruptLine& interrupt, std::function<void()> on_input_room,
    const state::Serial& state) {
  absl::Status status = CheckBits({{"interrupt_enable", state.interrupt_enable(), uart::kIerMask},
                                   {"fifo_control", state.fifo_control(), 0xff},
                                   {"line_control", state.line_control(), 0xff},
                                   {"modem_control", state.modem_control(), uart::kMcrMask},
                                   {"scratch", state.scratch(), 0xff},
                                   {"divisor_low", state.divisor_low(), 0xff},
                                   {"divisor_high", state.divisor_high(), 0xff},
                                   {"modem_changes", state.modem_changes(), 0x0f}});
  if (!status.ok()) return status;
  if (state.input().size() > kInputCapacity) {
    return absl::InvalidArgumentError(absl::StrFormat("input has %d bytes, with room for %d",
                                                      state.input().size(), kInputCapacity));
  }
  auto device = std::make_unique<SerialDevice>(output, interrupt, std::move(on_input_room));
  absl::MutexLock lock(&device->mutex_);
  State& own = device->state_;
  own.interrupt_enable = static_cast<uint8_t>(state.interrupt_enable());
  own.fifo_control = static_cast<uint8_t>(state.fifo_control());
  own.line_control = static_cast<uint8_t>(state.line_control());
  own.modem_control = static_cast<uint8_t>(state.modem_control());
  own.scratch = static_cast<uint8_t>(state.scratch());
  own.divisor_low = static_cast<uint8_t>(state.divisor_low());
  own.divisor_high = static_cast<uint8_t>(state.divisor_high());
  own.modem_changes = static_cast<uint8_t>(state.modem_changes());
  own.overrun = state.overrun();
  own.transmit_empty = state.transmit_empty();
  for (const char byte : state.input()) own.input.Push(static_cast<std::byte>(byte));
  device->input_waits_ = state.input_waits();
  return device;
}

size_t SerialDevice::OfferInput(absl::Span<const std::byte> data) {
  if (!mutex_.TryLock()) {
    // Whoever has the lock now, looks at this when it has left it.
    input_missed_ = true;
    if (!mutex_.TryLock()) return 0;
  }
  const size_t taken = TakeInput(data);
  mutex_.Unlock();
  return taken;
}

size_t SerialDevice::TakeInput(absl::Span<const std::byte> data) {
  size_t taken = 0;
  while (IsReceiving() && taken < data.size() && state_.input.Push(data[taken])) ++taken;
  input_waits_ = taken < data.size();
  counters_.bytes_read.Add(taken);
  // With no regard to what was pending: the driver may be about to leave its handler.
  if (taken > 0 && (PendingCauses() & uart::kIerReceived)) RaiseNew(0);
  return taken;
}

void SerialDevice::Read(uint64_t offset, absl::Span<std::byte> data) {
  uint8_t value = 0;
  bool has_room = false;
  if (data.size() == 1 && offset < uart::kRegisters) {
    absl::MutexLock lock(&mutex_);
    const uint8_t before = PendingCauses();
    value = ReadRegister(offset);
    RaiseNew(before);
    has_room = TakeInputRoom();
  } else {
    counters_.errors.Add();
  }
  counters_.requests.Add();
  StoreLittleEndian(value, data);
  has_room = input_missed_.exchange(false) || has_room;
  if (has_room && on_input_room_) on_input_room_();
}

void SerialDevice::Write(uint64_t offset, absl::Span<const std::byte> data) {
  counters_.requests.Add();
  if (data.size() != 1 || offset >= uart::kRegisters) {
    counters_.errors.Add();
    return;
  }
  bool has_room = false;
  {
    absl::MutexLock lock(&mutex_);
    const uint8_t before = PendingCauses();
    WriteRegister(offset, static_cast<uint8_t>(data[0]));
    RaiseNew(before);
    // A cleared queue, RTS, or the end of a loopback.
    has_room = TakeInputRoom();
  }
  has_room = input_missed_.exchange(false) || has_room;
  if (has_room && on_input_room_) on_input_room_();
}

bool SerialDevice::IsReceiving() const {
  return (state_.modem_control & (uart::kMcrRts | uart::kMcrLoop)) == uart::kMcrRts;
}

bool SerialDevice::TakeInputRoom() {
  if (!input_waits_ || !IsReceiving() || state_.input.room() < kInputCapacity / 2) return false;
  input_waits_ = false;
  return true;
}

bool SerialDevice::DivisorLatched() const {
  return (state_.line_control & uart::kLcrDivisorLatch) != 0;
}

uint8_t SerialDevice::ReadRegister(uint64_t reg) {
  switch (reg) {
    case uart::kData:
      if (DivisorLatched()) return state_.divisor_low;
      return static_cast<uint8_t>(state_.input.Pop());
    case uart::kInterruptEnable:
      return DivisorLatched() ? state_.divisor_high : state_.interrupt_enable;
    case uart::kInterruptId:
      return ReadInterruptId();
    case uart::kLineControl:
      return state_.line_control;
    case uart::kModemControl:
      return state_.modem_control;
    case uart::kLineStatus:
      return static_cast<uint8_t>(uart::kLsrTransmitHoldingEmpty | uart::kLsrTransmitterEmpty |
                                  (state_.input.size() > 0 ? uart::kLsrDataReady : 0) |
                                  (std::exchange(state_.overrun, false) ? uart::kLsrOverrun : 0));
    case uart::kModemStatus:
      return static_cast<uint8_t>(ModemLines() | std::exchange(state_.modem_changes, uint8_t{0}));
    case uart::kScratch:
      return state_.scratch;
    default:
      return 0;
  }
}

void SerialDevice::WriteRegister(uint64_t reg, uint8_t value) {
  switch (reg) {
    case uart::kData:
      if (DivisorLatched()) {
        state_.divisor_low = value;
      } else {
        Transmit(value);
      }
      return;
    case uart::kInterruptEnable:
      if (DivisorLatched()) {
        state_.divisor_high = value;
        return;
      }
      // Enabling the cause while the transmitter is empty makes it pending (8.6.7).
      if ((value & uart::kIerTransmitEmpty) &&
          !(state_.interrupt_enable & uart::kIerTransmitEmpty)) {
        state_.transmit_empty = true;
      }
      state_.interrupt_enable = value & uart::kIerMask;
      return;
    case uart::kFifoControl:
      // A change of the enable bit clears the FIFOs as well (8.6.4).
      if ((value & uart::kFcrClearReceive) || ((value ^ state_.fifo_control) & uart::kFcrEnable)) {
        state_.input.Clear();
      }
      state_.fifo_control = value;
      return;
    case uart::kLineControl:
      state_.line_control = value;
      return;
    case uart::kModemControl:
      WriteModemControl(value & uart::kMcrMask);
      return;
    case uart::kScratch:
      state_.scratch = value;
      return;
    default:  // LSR and MSR are for reading
      return;
  }
}

void SerialDevice::Transmit(uint8_t value) {
  const std::byte byte{value};
  if (state_.modem_control & uart::kMcrLoop) {
    if (!state_.input.Push(byte)) state_.overrun = true;
  } else {
    output_.Write(absl::MakeConstSpan(&byte, 1));
    counters_.bytes_written.Add();
  }
  state_.transmit_empty = true;
}

uint8_t SerialDevice::ReadInterruptId() {
  const uint8_t fifos = (state_.fifo_control & uart::kFcrEnable) ? uart::kIirFifos : 0;
  const uint8_t pending = PendingCauses();
  uint8_t id = uart::kIirNone;
  if (pending & uart::kIerLineStatus) {
    id = uart::kIirLineStatus;
  } else if (pending & uart::kIerReceived) {
    id = state_.input.size() >= TriggerLevel() ? uart::kIirReceived : uart::kIirTimeout;
  } else if (pending & uart::kIerTransmitEmpty) {
    id = uart::kIirTransmitEmpty;
    state_.transmit_empty = false;
  } else if (pending & uart::kIerModemStatus) {
    id = uart::kIirModemStatus;
  }
  return fifos | id;
}

// Section 8.6.4: characters that make the received cause, rather than the timeout.
size_t SerialDevice::TriggerLevel() const {
  if (!(state_.fifo_control & uart::kFcrEnable)) return 1;
  constexpr std::array<size_t, 4> kLevels = {1, 4, 8, 14};
  return kLevels[state_.fifo_control >> 6];
}

void SerialDevice::WriteModemControl(uint8_t value) {
  const uint8_t before = ModemLines();
  state_.modem_control = value;
  const uint8_t after = ModemLines();
  uint8_t changed = static_cast<uint8_t>((before ^ after) >> 4);
  // The ring indicator counts when it ends only (8.6.8).
  constexpr uint8_t kRingBit = uart::kMsrRing >> 4;
  if (after & uart::kMsrRing) changed &= static_cast<uint8_t>(~kRingBit);
  state_.modem_changes |= changed;
}

// Section 8.6.6: looped back, the outputs are the inputs. Else somebody listens.
uint8_t SerialDevice::ModemLines() const {
  const uint8_t control = state_.modem_control;
  if (!(control & uart::kMcrLoop)) return uart::kMsrCts | uart::kMsrDsr | uart::kMsrDcd;
  return static_cast<uint8_t>(((control & uart::kMcrRts) ? uart::kMsrCts : 0) |
                              ((control & uart::kMcrDtr) ? uart::kMsrDsr : 0) |
                              ((control & uart::kMcrOut1) ? uart::kMsrRing : 0) |
                              ((control & uart::kMcrOut2) ? uart::kMsrDcd : 0));
}

uint8_t SerialDevice::PendingCauses() const {
  const int causes = (state_.input.size() > 0 ? uart::kIerReceived : 0) |
                     (state_.transmit_empty ? uart::kIerTransmitEmpty : 0) |
                     (state_.overrun ? uart::kIerLineStatus : 0) |
                     (state_.modem_changes != 0 ? uart::kIerModemStatus : 0);
  return static_cast<uint8_t>(causes & state_.interrupt_enable);
}

void SerialDevice::RaiseNew(uint8_t before) {
  if ((PendingCauses() & ~before) == 0) return;
  counters_.interrupts.Add();
  interrupt_.Trigger();
}

}  // namespace firn
