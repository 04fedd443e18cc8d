// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Who carries out the requests of the control API.
#ifndef FIRN_VMM_API_HANDLER_H_
#define FIRN_VMM_API_HANDLER_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "vmm/api/request.h"

namespace firn::api {

class Handler {
 public:
  virtual ~Handler() = default;

  // The answer: a JSON text (status 200), nothing (an empty text: status 204), or an error, whose
  // message goes to the client as `fault_message` (status 400).
  using Done = std::function<void(absl::StatusOr<std::string>)>;

  // Carries `request` out and calls `done` once, before it returns or later, on the same thread:
  // the event loop's. `done` outlives connection and server, and does nothing then. A connection
  // has one request in progress; requests of several connections may be in progress at once.
  virtual void Handle(const Request& request, Done done) = 0;
};

}  // namespace firn::api

#endif  // FIRN_VMM_API_HANDLER_H_
