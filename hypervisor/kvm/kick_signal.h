// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The signal that takes a thread out of KVM_RUN. It does nothing by itself: KVM_RUN returns
// EINTR because a signal came. That none comes too early is kvm_run.immediate_exit's part.
#ifndef FIRN_HYPERVISOR_KVM_KICK_SIGNAL_H_
#define FIRN_HYPERVISOR_KVM_KICK_SIGNAL_H_

#include <sys/types.h>

#include "absl/status/status.h"

namespace firn::kvm {

// Gives SIGRTMIN an empty handler, for the whole process. Idempotent.
absl::Status InstallKickHandler();

// Lets the calling thread receive it, and returns the thread's id for SendKick. After the first
// time on a thread it makes no system call.
pid_t PrepareForKicks();

// Interrupts a thread of this process. One that has ended is no harm.
void SendKick(pid_t thread);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KICK_SIGNAL_H_
