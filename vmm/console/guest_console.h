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
  // `output` (null: nowhere) outlives this. `on_halt` is called in Write when the kernel says
  // that it has halted after a panic, with a device's lock held.
  GuestConsole(ByteSink* output, std::function<void()> on_halt)
      : output_(output), on_halt_(std::move(on_halt)) {}

  void Write(absl::Span<const std::byte> data) override;

  // From now on nothing is written. Any thread.
  void Mute() { muted_ = true; }

  // The kernel's words, empty without a panic. Any thread.
  std::string panic_reason() const;

 private:
  ByteSink* const output_;
  const std::function<void()> on_halt_;
  std::atomic<bool> muted_ = false;
  mutable absl::Mutex mutex_;
  PanicWatch watch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_GUEST_CONSOLE_H_
