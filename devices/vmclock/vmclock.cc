// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/vmclock/vmclock.h"

#include <atomic>
#include <bit>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "devices/vmclock/vmclock_abi.h"
#include "hypervisor/data_cache.h"

namespace firn {
namespace {

using vmclock::Abi;

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

// The largest shift at which a period still fits: it is the most precise.
uint8_t PeriodShift(uint64_t frequency) {
  return static_cast<uint8_t>(std::bit_width(frequency - 1) - 1);
}

uint64_t Period(uint64_t frequency) {
  const unsigned __int128 second = static_cast<unsigned __int128>(1)
                                   << (64 + PeriodShift(frequency));
  return static_cast<uint64_t>(second / frequency);
}

}  // namespace

absl::StatusOr<std::unique_ptr<VmClock>> VmClock::Make(GuestMemory& memory, GuestRange range,
                                                       InterruptLine& interrupt, uint64_t frequency,
                                                       state::VmClock state) {
  if (frequency < 2) {
    return absl::InvalidArgumentError(absl::StrCat("a counter of ", frequency, " Hz"));
  }
  return absl::WrapUnique(new VmClock(memory, range, interrupt, frequency, std::move(state)));
}

absl::StatusOr<std::unique_ptr<VmClock>> VmClock::Create(GuestMemory& memory, GuestRange range,
                                                         InterruptLine& interrupt,
                                                         uint64_t frequency, VmClockTime now) {
  absl::StatusOr<std::unique_ptr<VmClock>> device = Make(memory, range, interrupt, frequency, {});
  if (!device.ok()) return device;
  (*device)->SetTime(now);
  absl::Status status = (*device)->Publish();
  if (!status.ok()) return status;
  return device;
}

absl::StatusOr<std::unique_ptr<VmClock>> VmClock::Restore(GuestMemory& memory, GuestRange range,
                                                          InterruptLine& interrupt,
                                                          uint64_t frequency,
                                                          const state::VmClock& state) {
  if (state.seq_count() % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("seq_count is ", state.seq_count(), ", odd"));
  }
  absl::StatusOr<std::unique_ptr<VmClock>> device =
      Make(memory, range, interrupt, frequency, state);
  if (!device.ok()) return device;
  absl::Status status = (*device)->Publish();
  if (!status.ok()) return status;
  return device;
}

absl::Status VmClock::Disrupt(VmClockTime now) {
  state_.set_seq_count(state_.seq_count() + 2);
  state_.set_disruption_marker(state_.disruption_marker() + 1);
  SetTime(now);
  absl::Status status = Publish();
  if (status.ok()) interrupt_.Trigger();
  return status;
}

absl::Status VmClock::Renew(VmClockTime now, uint64_t generation) {
  state_.set_vm_generation_counter(generation);
  return Disrupt(now);
}

void VmClock::SetTime(VmClockTime now) {
  const auto nanoseconds = static_cast<uint64_t>(now.unix_nanoseconds);
  state_.set_counter_value(now.counter);
  state_.set_time_sec(nanoseconds / kNanosecondsPerSecond + uint64_t{kTaiOffset});
  const unsigned __int128 fraction =
      static_cast<unsigned __int128>(nanoseconds % kNanosecondsPerSecond) << 64;
  state_.set_time_frac_sec(static_cast<uint64_t>(fraction / kNanosecondsPerSecond));
}

absl::Status VmClock::Publish() {
  Abi abi = {};
  abi.magic = vmclock::kMagic;
  abi.size = static_cast<uint32_t>(range_.size());
  abi.version = vmclock::kVersion;
  abi.counter_id = vmclock::kCounterArmVirtual;
  abi.time_type = vmclock::kTimeTai;
  // While it is odd, readers wait.
  abi.seq_count = state_.seq_count() - 1;
  abi.disruption_marker = state_.disruption_marker();
  abi.flags = vmclock::kFlagTaiOffsetValid | vmclock::kFlagVmGenerationCounterPresent |
              vmclock::kFlagNotificationPresent;
  abi.tai_offset_sec = kTaiOffset;
  abi.clock_status = vmclock::kStatusFreeRunning;
  abi.counter_period_shift = PeriodShift(frequency_);
  abi.counter_value = state_.counter_value();
  abi.counter_period_frac_sec = Period(frequency_);
  abi.time_sec = state_.time_sec();
  abi.time_frac_sec = state_.time_frac_sec();
  abi.vm_generation_counter = state_.vm_generation_counter();

  const absl::StatusOr<absl::Span<const std::byte>> host =
      memory_.HostRange(range_.base(), sizeof(abi));
  if (!host.ok()) return host.status();
  // Cleaned after each store, for a guest that maps the page as Device memory.
  const GuestAddress sequence(range_.base().value + offsetof(Abi, seq_count));
  absl::Status status = memory_.StoreRelease<uint32_t>(sequence, abi.seq_count);
  if (!status.ok()) return status;
  CleanDataCache(*host);
  std::atomic_thread_fence(std::memory_order_release);
  status = memory_.Store(range_.base(), abi);
  if (!status.ok()) return status;
  CleanDataCache(*host);
  status = memory_.StoreRelease<uint32_t>(sequence, state_.seq_count());
  CleanDataCache(*host);
  return status;
}

}  // namespace firn
