// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A client of the control API, for firn's own commands: one request, one answer.
#ifndef FIRN_VMM_API_CLIENT_H_
#define FIRN_VMM_API_CLIENT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace firn::api {

struct ClientRequest {
  std::string_view method;
  std::string_view target;
  std::string body;  // JSON; empty: none
};

struct ClientAnswer {
  int status = 0;  // of HTTP
  std::string body;
};

// Sends `request` to the socket `path` and waits for the answer, at most for `limit` in all (which
// may be infinite). Errors: those of ConnectUnix; DeadlineExceeded; Unavailable for a server that
// ends before it has answered; DataLoss for an answer that is not HTTP or over 1 MiB.
absl::StatusOr<ClientAnswer> Call(const std::string& path, const ClientRequest& request,
                                  absl::Duration limit);

// The `fault_message` of an answer that is no success, or else what there is.
std::string FaultMessage(const ClientAnswer& answer);

}  // namespace firn::api

#endif  // FIRN_VMM_API_CLIENT_H_
