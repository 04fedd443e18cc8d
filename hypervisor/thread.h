// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Threads of firn: the process's signals are the main thread's.
#ifndef FIRN_HYPERVISOR_THREAD_H_
#define FIRN_HYPERVISOR_THREAD_H_

#include <pthread.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace firn {

// Starts a thread that does `main(argument)`, for the caller to join; it may unblock signals that
// are its own. `name` has at most 15 characters; `purpose` is for the error: that of
// pthread_create, with errno. Any thread.
absl::StatusOr<pthread_t> StartThread(const std::string& name, std::string_view purpose,
                                      void* (*main)(void*), void* argument);

// Threads that are started from now on have stacks of 1 MiB: one that may be a huge page costs 2
// MiB where it needs some KiB. For the start of the process.
void UseSmallStacks();

}  // namespace firn

#endif  // FIRN_HYPERVISOR_THREAD_H_
