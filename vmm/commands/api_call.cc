// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/api_call.h"

#include <string>

namespace firn {

absl::Status CallApi(std::string_view socket, const api::ClientRequest& request,
                     absl::Duration limit) {
  const absl::StatusOr<api::ClientAnswer> answer = api::Call(std::string(socket), request, limit);
  if (!answer.ok()) return answer.status();
  if (answer->status / 100 != 2) return absl::FailedPreconditionError(api::FaultMessage(*answer));
  return absl::OkStatus();
}

}  // namespace firn
