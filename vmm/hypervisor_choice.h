// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Opens the hypervisor that a configuration asks for.
#ifndef FIRN_VMM_HYPERVISOR_CHOICE_H_
#define FIRN_VMM_HYPERVISOR_CHOICE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hypervisor/hypervisor.h"
#include "vmm/config/config.h"
#include "vmm/host_probe.h"

namespace firn {

struct OpenedHypervisor {
  std::unique_ptr<Hypervisor> hypervisor;
  // For `auto`: why it is this one.
  std::string reason;
};

// True in a build with the software hypervisor (--//hypervisor:software=true).
bool HasSoftwareHypervisor();

// auto takes KVM where this machine has it, else software; and software where a setting asks for
// what only software has (an instruction limit, a seed). Errors say why not and what to do:
// FailedPrecondition for a hypervisor that this machine or this build has not;
// InvalidArgument for settings that the one chosen does not understand.
absl::StatusOr<OpenedHypervisor> OpenHypervisor(const VmConfig& config, const KvmHost& host);

}  // namespace firn

#endif  // FIRN_VMM_HYPERVISOR_CHOICE_H_
