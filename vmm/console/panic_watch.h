// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Recognises a kernel panic in what the guest writes to its console.
//
// PSCI has no call that says "I have panicked": a panicking Linux either resets the machine
// (panic=-1) or spins for ever. The console is where it always says so. pvpanic (a device for
// the purpose) is not an alternative: Debian's cloud kernels are built without its driver.
#ifndef FIRN_VMM_CONSOLE_PANIC_WATCH_H_
#define FIRN_VMM_CONSOLE_PANIC_WATCH_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace firn {

// One per console device. Thread rules: those of the device that it listens to.
class PanicWatch {
 public:
  // True when `text` completes the line by which a kernel says that it has halted after a panic
  // ("---[ end Kernel panic - not syncing: … ]---"). Every call sees what follows the one before.
  bool Feed(std::string_view text);

  // Whether the kernel has said "Kernel panic - not syncing" so far.
  bool panicked() const { return panicked_; }
  // What it gave as the reason, without control characters; cut at the end of the line or at
  // kReasonLimit. Complete once the line has ended.
  const std::string& reason() const { return reason_; }

  static constexpr size_t kReasonLimit = 160;

 private:
  bool EndLine();

  std::string line_;  // of this line, what counts
  bool panicked_ = false;
  std::string reason_;
};

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_PANIC_WATCH_H_
