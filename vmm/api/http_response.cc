// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/http_response.h"

#include <http_parser.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace firn::api {

std::string FaultBody(std::string_view message) {
  using nlohmann::json;
  const json body = {{"fault_message", message}};
  // Bytes of a request may stand in the message.
  return body.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

std::string FormatResponse(const HttpResponse& response) {
  std::string text = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", http_status_str(static_cast<http_status>(response.status)),
      "\r\nServer: firn\r\nConnection: ", response.keep_alive ? "keep-alive" : "close", "\r\n");
  if (response.is_deprecated) absl::StrAppend(&text, "Deprecation: true\r\n");
  // A 204 must not have a length (RFC 9110 section 8.6).
  if (response.status != HTTP_STATUS_NO_CONTENT) {
    absl::StrAppend(
        &text, "Content-Type: application/json\r\nContent-Length: ", response.body.size(), "\r\n");
  }
  absl::StrAppend(&text, "\r\n", response.body);
  return text;
}

}  // namespace firn::api
