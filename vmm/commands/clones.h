// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Several virtual machines of one command, each in a process of its own: firn restore --count.
#ifndef FIRN_VMM_COMMANDS_CLONES_H_
#define FIRN_VMM_COMMANDS_CLONES_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace firn {

// Runs `run`, which returns an exit status, in `count` processes, numbered from 1, and waits for
// them. Their stdin is empty; each line of their stdout and stderr comes out with "[NUMBER] "
// before it. SIGINT, SIGTERM, SIGHUP and SIGQUIT go on to all of them, and if this process dies
// they end. Returns the exit status of the lowest number that did not end with 0, 128 and the
// signal where one killed it; 0 where all did. Errors, with no process left: those of pipe, fork
// and signalfd. From the main thread, while there is no other.
absl::StatusOr<int> RunClones(uint64_t count, absl::FunctionRef<int(uint64_t number)> run);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_CLONES_H_
