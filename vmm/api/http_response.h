// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// HTTP/1.1 responses of the control API, as bytes.
#ifndef FIRN_VMM_API_HTTP_RESPONSE_H_
#define FIRN_VMM_API_HTTP_RESPONSE_H_

#include <string>
#include <string_view>

namespace firn::api {

struct HttpResponse {
  int status = 200;
  std::string body;  // JSON; empty: none
  bool keep_alive = true;
  bool is_deprecated = false;
};

// {"fault_message": "…"}: what Firecracker's errors have as body.
std::string FaultBody(std::string_view message);

std::string FormatResponse(const HttpResponse& response);

// The interim response to Expect: 100-continue.
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace firn::api

#endif  // FIRN_VMM_API_HTTP_RESPONSE_H_
