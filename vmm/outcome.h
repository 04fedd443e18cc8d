// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// How a run ended, in the words of its messages, its statistics and its exit status.
#ifndef FIRN_VMM_OUTCOME_H_
#define FIRN_VMM_OUTCOME_H_

#include <string>
#include <string_view>

#include "vmm/machine/machine.h"

namespace firn {

struct Outcome {
  std::string_view name;  // for the statistics
  int exit_status = 0;
  std::string message;  // for people
};

Outcome OutcomeOf(const MachineEnd& end);
Outcome OutcomeOfSignal(int signal);

}  // namespace firn

#endif  // FIRN_VMM_OUTCOME_H_
