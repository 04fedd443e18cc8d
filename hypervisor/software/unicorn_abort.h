// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Where Unicorn gives up. It ends the process at what its authors did not expect: some encodings
// that are no instruction, for one, which any program of a guest may contain.
// third_party/unicorn.BUILD has it call this instead, so that only the guest ends.
#ifndef FIRN_HYPERVISOR_SOFTWARE_UNICORN_ABORT_H_
#define FIRN_HYPERVISOR_SOFTWARE_UNICORN_ABORT_H_

#include <optional>
#include <string>

#include "absl/functional/function_ref.h"

namespace firn::software {

struct UnicornAbort {
  std::string what;  // Unicorn's words
  // It was translating: no instruction of the block at the PC has been executed, and the registers
  // are those before it. Else nothing is known of them.
  bool translating = false;
};

// Calls `function`, and tells where Unicorn gave up in it: it then is left as it was, and that
// engine must not execute any more. No destructor of what `function` has on the stack is called.
// May not be nested. Anywhere else, Unicorn still ends the process. Thread-safe.
std::optional<UnicornAbort> CatchUnicornAbort(absl::FunctionRef<void()> function);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_UNICORN_ABORT_H_
