// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What happens when guest memory that comes from a file is gone under a running guest: SIGBUS.
#ifndef FIRN_VMM_CONSOLE_MEMORY_GUARD_H_
#define FIRN_VMM_CONSOLE_MEMORY_GUARD_H_

#include <signal.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "hypervisor/guest_memory.h"

namespace firn {

// Handles SIGBUS for addresses in the regions of one guest memory. At first it says `message` on
// stderr, puts the terminal back, and ends the process with kExitError: wrong bytes must reach
// neither the guest nor its disks. Several may be there at a time; any thread.
class MemoryGuard {
 public:
  // `message` is one line, without "firn: " and the newline.
  MemoryGuard(const GuestMemory& memory, std::string_view message);
  ~MemoryGuard();
  MemoryGuard(const MemoryGuard&) = delete;
  MemoryGuard& operator=(const MemoryGuard&) = delete;

  // From now on a page that is gone is zero instead, for instructions but not for system calls: for
  // a guest that has been told to stop, so that its threads get out.
  void AnswerWithZeros();

  const std::string& message() const { return message_; }

 private:
  const std::string message_;
  const std::string line_;
};

// What the guards have to say to a SIGBUS; true where the instruction may be tried again.
// Async-signal-safe. For handlers that lie over theirs.
bool HandleMemoryFault(const siginfo_t& info);

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_MEMORY_GUARD_H_
