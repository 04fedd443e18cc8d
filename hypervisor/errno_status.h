// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Errors of system calls and of KVM as absl::Status values that keep the errno.
#ifndef FIRN_HYPERVISOR_ERRNO_STATUS_H_
#define FIRN_HYPERVISOR_ERRNO_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace firn {

// The status of a failed call: its code follows absl::ErrnoToStatusCode, its message reads
// "`call`: No such device (ENODEV)", and GetErrno gives `error_number` back. Where the errno has
// one remedy whatever the call (EMFILE, ENFILE), the message goes on with it. `call` names the call
// and its object ("KVM_CREATE_DEVICE(ARM_VGIC_V5)", "open /dev/kvm"). `error_number` is an errno
// value above 0.
absl::Status ErrnoStatus(int error_number, std::string_view call);

// The errno that `status` carries, or 0 where it carries none (OK, or made otherwise).
int GetErrno(const absl::Status& status);

// `status` with "`context`: " before its message; errno and other payloads stay.
// OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// `status` with ": `remedy`" behind its message; errno and other payloads stay. OK stays OK, and
// an empty remedy changes nothing.
absl::Status Suggest(const absl::Status& status, std::string_view remedy);

// "ENODEV" for 19; "unknown errno" for a number without a name.
std::string_view ErrnoName(int error_number);

}  // namespace firn

#endif  // FIRN_HYPERVISOR_ERRNO_STATUS_H_
