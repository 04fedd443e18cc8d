// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What the commands that control a running virtual machine share.
#ifndef FIRN_VMM_COMMANDS_API_CALL_H_
#define FIRN_VMM_COMMANDS_API_CALL_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "vmm/api/client.h"

namespace firn {

// The operand that names the virtual machine.
inline constexpr std::string_view kSocketOperand = "SOCK";

// Sends one request to the socket. Errors: those of api::Call, and what the machine answers where
// that is not success.
absl::Status CallApi(std::string_view socket, const api::ClientRequest& request,
                     absl::Duration limit);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_API_CALL_H_
