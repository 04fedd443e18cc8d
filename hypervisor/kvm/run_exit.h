// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a kvm_run page says of the return of KVM_RUN.
// Source: Linux Documentation/virt/kvm/api.rst section 5.
#ifndef FIRN_HYPERVISOR_KVM_RUN_EXIT_H_
#define FIRN_HYPERVISOR_KVM_RUN_EXIT_H_

#include "hypervisor/exit.h"
#include "hypervisor/kvm/ioctls.h"

namespace firn::kvm {

// After a KVM_RUN that returned 0. MmioExit::data points into `run`.
Exit DecodeExit(RunPage& run);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_RUN_EXIT_H_
