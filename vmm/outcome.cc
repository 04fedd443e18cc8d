// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/outcome.h"

#include "absl/strings/str_cat.h"
#include "vmm/base/exit_status.h"

namespace firn {

Outcome OutcomeOf(const MachineEnd& end) {
  switch (end.kind) {
    case MachineEnd::Kind::kPowerOff:
      return {"power-off", kExitPowerOff, "the guest powered off"};
    case MachineEnd::Kind::kReboot:
      return {"reboot", kExitGuestReboot, "the guest rebooted"};
    case MachineEnd::Kind::kPanic:
      return {"panic", kExitGuestCrash, absl::StrCat("the guest crashed: ", end.detail)};
    case MachineEnd::Kind::kCrash:
      return {"crash", kExitGuestCrash, absl::StrCat("the guest crashed: ", end.detail)};
    case MachineEnd::Kind::kInstructionLimit:
      return {"instruction-limit", kExitInstructionLimit, "the instruction limit was reached"};
    case MachineEnd::Kind::kHostError:
      break;
  }
  return {"error", kExitError, end.detail};
}

Outcome OutcomeOfSignal(int signal) {
  return {"signal", kExitSignalBase + signal, absl::StrCat("ended by signal ", signal)};
}

}  // namespace firn
