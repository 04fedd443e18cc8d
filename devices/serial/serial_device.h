// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A 16550A UART on MMIO: registers of 8 bits, one per byte. Output leaves at once, so the
// transmitter is always empty; there is no baud rate.
#ifndef FIRN_DEVICES_SERIAL_SERIAL_DEVICE_H_
#define FIRN_DEVICES_SERIAL_SERIAL_DEVICE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/byte_sink.h"
#include "devices/device_stats.h"
#include "devices/interrupt_line.h"
#include "devices/mmio_device.h"
#include "devices/serial/serial_state.pb.h"

namespace firn {

// Thread rules: any thread, any method.
//
// The interrupt is edge-triggered: it is raised when an enabled cause becomes pending that was
// not, and for all new input.
//
// The host honours hardware flow control: it sends while the guest asserts RTS (MCR), and keeps the
// rest. Drivers assert it last when they open the port; what came before they would throw away
// (Linux clears the FIFO and reads it empty in serial8250_do_startup), as they would a command that
// was piped in before the guest had booted.
class SerialDevice final : public MmioDevice {
 public:
  // Input that the guest has not read yet. More than the part's 16, which no driver can tell.
  static constexpr size_t kInputCapacity = 256;

  // `output` and `interrupt` outlive the device. `on_input_room` is called, from any thread
  // and without the device's lock, when OfferInput would take bytes again after it had not taken
  // all: it wakes the event loop and does not itself use the machine.
  SerialDevice(ByteSink& output, InterruptLine& interrupt,
               std::function<void()> on_input_room = nullptr);

  // The registers and the input that the guest has not read. Any thread, with no access in
  // progress.
  state::Serial Save() const;
  // A device that goes on where the saved one was; raises no interrupt. InvalidArgument, naming the
  // field, for a state that no device can be in.
  static absl::StatusOr<std::unique_ptr<SerialDevice>> Restore(ByteSink& output,
                                                               InterruptLine& interrupt,
                                                               std::function<void()> on_input_room,
                                                               const state::Serial& state);

  // Input for the guest: returns how many bytes were taken, from 0 (without RTS, or while a vCPU
  // uses the device) to all of them. Never waits for a vCPU that waits for the reader of the
  // output.
  size_t OfferInput(absl::Span<const std::byte> data);

  void Read(uint64_t offset, absl::Span<std::byte> data) override;
  void Write(uint64_t offset, absl::Span<const std::byte> data) override;

  DeviceStats stats() const { return counters_.Snapshot(); }

 private:
  // A ring of bytes that never grows.
  class InputQueue {
   public:
    bool Push(std::byte byte);
    std::byte Pop();  // 0 when empty
    void Clear() { size_ = 0; }
    size_t size() const { return size_; }
    size_t room() const { return bytes_.size() - size_; }
    std::string Content() const;  // the oldest first

   private:
    std::array<std::byte, kInputCapacity> bytes_{};
    size_t first_ = 0;
    size_t size_ = 0;
  };

  struct State {
    uint8_t interrupt_enable = 0;
    uint8_t fifo_control = 0;
    uint8_t line_control = 3;  // 8 bits, no parity, 1 stop bit
    uint8_t modem_control = 0;
    uint8_t scratch = 0;
    uint8_t divisor_low = 1;
    uint8_t divisor_high = 0;
    uint8_t modem_changes = 0;  // the low half of MSR
    bool overrun = false;
    bool transmit_empty = false;  // the cause, not the state: cleared when IIR tells it
    InputQueue input;
  };

  uint8_t ReadRegister(uint64_t reg) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRegister(uint64_t reg, uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Transmit(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ReadInterruptId() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteModemControl(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ModemLines() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t TriggerLevel() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool DivisorLatched() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the guest receives: RTS, and no loopback, which takes the receiver off the line.
  bool IsReceiving() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True once when OfferInput, which had to leave bytes, would take some again: not until half of
  // the queue is free, so that input does not trickle in one by one.
  bool TakeInputRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t TakeInput(absl::Span<const std::byte> data) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Enabled causes that are pending, as bits of IER.
  uint8_t PendingCauses() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Triggers where a cause is pending that was not in `before`.
  void RaiseNew(uint8_t before) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ByteSink& output_;
  InterruptLine& interrupt_;
  const std::function<void()> on_input_room_;
  DeviceCounters counters_;
  std::atomic<bool> input_missed_ = false;  // OfferInput found the device in use
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  bool input_waits_ ABSL_GUARDED_BY(mutex_) = false;  // OfferInput left bytes
};

}  // namespace firn

#endif  // FIRN_DEVICES_SERIAL_SERIAL_DEVICE_H_
