// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a console device of the guest writes to: passes it on, and watches for a panic.
#ifndef FIRN_VMM_CONSOLE_GUEST_CONSOLE_H_
#define FIRN_VMM_CONSOLE_GUEST_CONSOLE_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/byte_sink.h"
#include "vmm/console/panic_watch.h"

namespace firn {

// One per console device and machine.
class GuestConsole final : public ByteSink {
 public:
  // `output` (null: nowhere) outlives this. With `offer_waits`, Offer waits for room as Write does:
  // when the guest of a deterministic machine goes on must not depend on who reads. `on_halt` is
  // called in Write and Offer when the kernel says that it has halted after a panic, with a
  // device's lock held.
  GuestConsole(ByteSink* output, bool offer_waits, std::function<void()> on_halt)
      : output_(output), offer_waits_(offer_waits), on_halt_(std::move(on_halt)) {}

  void Write(absl::Span<const std::byte> data) override { Pass(data, /*wait=*/true); }
  size_t Offer(absl::Span<const std::byte> data) override { return Pass(data, offer_waits_); }

  // From now on Offer waits for room. Any thread.
  void MakeOfferWait() { offer_waits_ = true; }

  // From now on nothing is written. Any thread.
  void Mute() { muted_ = true; }

  // The kernel's words, empty without a panic. Any thread.
  std::string panic_reason() const;

 private:
  // Returns how much is taken: all, with `wait`.
  size_t Pass(absl::Span<const std::byte> data, bool wait);

  ByteSink* const output_;
  std::atomic<bool> offer_waits_;
  const std::function<void()> on_halt_;
  std::atomic<bool> muted_ = false;
  mutable absl::Mutex mutex_;
  PanicWatch watch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_GUEST_CONSOLE_H_
