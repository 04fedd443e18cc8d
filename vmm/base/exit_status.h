// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The exit statuses of firn, as --help and README.md document them.
#ifndef FIRN_VMM_BASE_EXIT_STATUS_H_
#define FIRN_VMM_BASE_EXIT_STATUS_H_

#include <string_view>

namespace firn {

enum ExitStatus : int {
  kExitPowerOff = 0,  // also: the command did what it was asked for
  kExitError = 1,
  kExitUsage = 2,
  kExitGuestCrash = 3,
  kExitGuestReboot = 4,
  kExitInstructionLimit = 5,
  kExitSignalBase = 128,
};

inline constexpr std::string_view kExitStatusHelp =
    "Exit statuses:\n"
    "  0      the guest powered off\n"
    "  1      the configuration or this machine cannot run the guest, or a host error\n"
    "  2      the command line is wrong\n"
    "  3      the guest crashed: kernel panic, or nothing that could be executed\n"
    "  4      the guest rebooted (with --on-reboot=exit)\n"
    "  5      the instruction limit was reached (--stop-at)\n"
    "  128+N  ended by signal N; Ctrl-A x counts as SIGINT\n";

}  // namespace firn

#endif  // FIRN_VMM_BASE_EXIT_STATUS_H_
