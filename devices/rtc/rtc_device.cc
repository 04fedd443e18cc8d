// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/rtc/rtc_device.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "devices/little_endian.h"

namespace firn {
namespace {

// Seconds that leave room for an alarm, on both sides of 1970. No clock gets there.
constexpr int64_t kMostSeconds = int64_t{1} << 62;

}  // namespace

RtcDevice::RtcDevice(WallClock& clock, InterruptLine* interrupt, AlarmTimer* timer)
    : clock_(clock), interrupt_(interrupt), timer_(timer), wall_seconds_(clock.Seconds()) {
  absl::MutexLock lock(&mutex_);
  state_.checked = static_cast<uint32_t>(wall_seconds_);
}

state::Rtc RtcDevice::Save() const {
  absl::MutexLock lock(&mutex_);
  state::Rtc state;
  state.set_offset(state_.offset);
  state.set_match(state_.match);
  state.set_load(state_.load);
  state.set_interrupt_enabled(state_.interrupt_enabled);
  state.set_interrupt_pending(state_.interrupt_pending);
  state.set_wall_seconds(wall_seconds_);
  return state;
}

absl::StatusOr<std::unique_ptr<RtcDevice>> RtcDevice::Restore(WallClock& clock,
                                                              InterruptLine* interrupt,
                                                              AlarmTimer* timer,
                                                              const state::Rtc& state) {
  if (state.wall_seconds() > kMostSeconds || state.wall_seconds() < -kMostSeconds) {
    return absl::InvalidArgumentError(
        absl::StrFormat("wall_seconds is %d, which no clock tells", state.wall_seconds()));
  }
  auto device = std::make_unique<RtcDevice>(clock, interrupt, timer);
  absl::MutexLock lock(&device->mutex_);
  device->state_ = {.offset = state.offset(),
                    .match = state.match(),
                    .load = state.load(),
                    .checked = static_cast<uint32_t>(state.wall_seconds()) + state.offset(),
                    .interrupt_enabled = state.interrupt_enabled(),
                    .interrupt_pending = state.interrupt_pending()};
  device->wall_seconds_ = state.wall_seconds();
  device->SetTimer();
  return device;
}

void RtcDevice::CheckAlarm() {
  absl::MutexLock lock(&mutex_);
  CheckAlarmLocked();
  SetTimer();
}

std::optional<int64_t> RtcDevice::AlarmTime() const {
  if (!state_.interrupt_enabled || state_.interrupt_pending) return std::nullopt;
  // 1 to 2^32: an alarm for this second has gone off, and comes again when the counter has wrapped.
  return wall_seconds_ + 1 + uint32_t{state_.match - state_.checked - 1};
}

void RtcDevice::SetTimer() {
  if (timer_ != nullptr) timer_->Set(AlarmTime());
}

// The alarm goes off when the counter reaches the match value: at it, or past it since the last
// check, in the arithmetic of a counter that wraps.
void RtcDevice::CheckAlarmLocked() {
  wall_seconds_ = clock_.Seconds();
  // The counter has 32 bits and wraps, like the part's.
  const uint32_t now = static_cast<uint32_t>(wall_seconds_) + state_.offset;
  const uint32_t since = std::exchange(state_.checked, now);
  // A wall clock that was set back matches nothing.
  const bool forward = static_cast<int32_t>(now - since) > 0;
  if (!forward || state_.interrupt_pending) return;
  if (state_.match - since - 1 < now - since) Raise();
}

void RtcDevice::Raise() {
  state_.interrupt_pending = true;
  if (!state_.interrupt_enabled || interrupt_ == nullptr) return;
  counters_.interrupts.Add();
  interrupt_->Trigger();
}

void RtcDevice::Read(uint64_t offset, absl::Span<std::byte> data) {
  counters_.requests.Add();
  uint32_t value = 0;
  if (data.size() == 4 && offset % 4 == 0) {
    absl::MutexLock lock(&mutex_);
    CheckAlarmLocked();
    value = ReadRegister(offset);
  } else {
    counters_.errors.Add();
  }
  StoreLittleEndian(value, data);
}

uint32_t RtcDevice::ReadRegister(uint64_t offset) {
  switch (static_cast<RtcRegister>(offset)) {
    case RtcRegister::kData:
      return state_.checked;
    case RtcRegister::kMatch:
      return state_.match;
    case RtcRegister::kLoad:
      return state_.load;
    case RtcRegister::kControl:
      return 1;
    case RtcRegister::kInterruptMask:
      return state_.interrupt_enabled;
    case RtcRegister::kRawInterrupt:
      return state_.interrupt_pending;
    case RtcRegister::kMaskedInterrupt:
      return state_.interrupt_pending && state_.interrupt_enabled;
    default:
      break;
  }
  if (offset >= kRtcIdentification && offset < kRtcIdentification + 32) {
    return kRtcIdentificationBytes[(offset - kRtcIdentification) / 4];
  }
  return 0;
}

void RtcDevice::Write(uint64_t offset, absl::Span<const std::byte> data) {
  counters_.requests.Add();
  if (data.size() != 4 || offset % 4 != 0) {
    counters_.errors.Add();
    return;
  }
  absl::MutexLock lock(&mutex_);
  CheckAlarmLocked();
  if (WriteRegister(static_cast<RtcRegister>(offset),
                    static_cast<uint32_t>(LoadLittleEndian(data)))) {
    SetTimer();
  }
}

bool RtcDevice::WriteRegister(RtcRegister reg, uint32_t value) {
  switch (reg) {
    case RtcRegister::kMatch:
      state_.match = value;
      // An alarm for this second has been reached.
      if (state_.match == state_.checked && !state_.interrupt_pending) Raise();
      return true;
    case RtcRegister::kLoad:
      state_.load = value;
      state_.offset = value - static_cast<uint32_t>(wall_seconds_);
      state_.checked = value;
      if (state_.match == state_.checked && !state_.interrupt_pending) Raise();
      return true;
    case RtcRegister::kInterruptMask: {
      const bool was_enabled = std::exchange(state_.interrupt_enabled, (value & 1) != 0);
      // The line rises when a pending interrupt is let through.
      if (state_.interrupt_enabled && !was_enabled && state_.interrupt_pending) Raise();
      return true;
    }
    case RtcRegister::kInterruptClear:
      if (value & 1) state_.interrupt_pending = false;
      return true;
    default:  // read-only, RTCCR which is always 1, or no register
      return false;
  }
}

}  // namespace firn
