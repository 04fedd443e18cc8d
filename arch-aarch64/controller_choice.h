// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which interrupt controller a guest gets: GICv5 where the host can give one to Linux, else GICv3.
#ifndef FIRN_ARCH_AARCH64_CONTROLLER_CHOICE_H_
#define FIRN_ARCH_AARCH64_CONTROLLER_CHOICE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "arch-aarch64/interrupt_controller.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/vm.h"

namespace firn {

enum class GicChoice { kAuto, kV5, kV3 };

// What a host's VGICv5 gives to a guest (docs/gicv5.md, dialects).
enum class Gicv5Support {
  kNone,     // no VGICv5
  kPpiOnly,  // PPIs alone (Linux 7.1 to 7.3): Linux does not boot on it
  kSeries,   // SPIs and LPIs, in the interface of a series of before the merge
  kMerged,   // SPIs and LPIs, in the interface of Linux 7.4
};

// Found on a VM that is made for this and taken away again: KVM's VMs cannot part with a device.
// Errors keep errno.
absl::StatusOr<Gicv5Support> ProbeGicv5(Hypervisor& hypervisor, int ipa_bits);

struct ChosenController {
  std::unique_ptr<InterruptController> controller;
  // For kAuto: why it is this one; empty where GICv5 is.
  std::string reason;
};

// Makes the controller in `vm`, of `ipa_bits` and without one yet, which outlives it. Errors say
// what the host lacks and what to do: FailedPrecondition; others as the controllers' Create.
absl::StatusOr<ChosenController> CreateInterruptController(Hypervisor& hypervisor, Vm& vm,
                                                           int ipa_bits, GicChoice choice,
                                                           const InterruptControllerConfig& config);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_CONTROLLER_CHOICE_H_
