// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/http_request.h"

#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "vmm/api/request.h"

namespace firn::api {
namespace {

constexpr size_t kMaxTarget = 1024;

// http-parser has one limit for the whole process.
void SetHeadLimit() {
  static const bool kIsSet = (http_parser_set_max_header_size(kMaxHead), true);
  static_cast<void>(kIsSet);
}

}  // namespace

template <int (HttpRequestParser::*method)(std::string_view)>
int HttpRequestParser::OnData(http_parser* parser, const char* data, size_t size) {
  return (static_cast<HttpRequestParser*>(parser->data)->*method)({data, size});
}

template <int (HttpRequestParser::*method)()>
int HttpRequestParser::OnEvent(http_parser* parser) {
  return (static_cast<HttpRequestParser*>(parser->data)->*method)();
}

http_parser_settings HttpRequestParser::Settings() {
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_url = &OnData<&HttpRequestParser::OnTarget>;
  settings.on_header_field = &OnData<&HttpRequestParser::OnFieldName>;
  settings.on_header_value = &OnData<&HttpRequestParser::OnFieldValue>;
  settings.on_headers_complete = &OnEvent<&HttpRequestParser::OnHead>;
  settings.on_body = &OnData<&HttpRequestParser::OnBody>;
  settings.on_message_complete = &OnEvent<&HttpRequestParser::OnMessage>;
  return settings;
}

HttpRequestParser::HttpRequestParser() {
  SetHeadLimit();
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

HttpRequestParser::Progress HttpRequestParser::Execute(std::string_view& bytes) {
  static const http_parser_settings kSettings = Settings();
  const size_t used = http_parser_execute(&parser_, &kSettings, bytes.data(), bytes.size());
  if (is_complete_) {
    bytes.remove_prefix(used);
    return Progress::kComplete;
  }
  const http_errno error = HTTP_PARSER_ERRNO(&parser_);
  if (error == HPE_OK) {
    bytes.remove_prefix(used);
    return Progress::kNeedsMore;
  }
  bytes = {};
  if (error_.status == 0) {
    const std::string_view what =
        error == HPE_HEADER_OVERFLOW     ? "request line and header fields are over 8192 bytes"
        : error == HPE_INVALID_EOF_STATE ? "the stream ended in the middle of a request"
                                         : http_errno_description(error);
    error_ = {400, absl::StrCat("not an HTTP request: ", what)};
  }
  return Progress::kFailed;
}

HttpRequestParser::Progress HttpRequestParser::Feed(std::string_view& bytes) {
  if (bytes.empty()) return Progress::kNeedsMore;  // to http-parser it would be the end
  return Execute(bytes);
}

HttpRequestParser::Progress HttpRequestParser::FeedEnd() {
  std::string_view nothing = "";
  return Execute(nothing);
}

HttpRequest HttpRequestParser::Take() {
  is_complete_ = false;
  expects_continue_ = waits_for_continue_ = false;
  http_parser_pause(&parser_, 0);
  return std::exchange(request_, {});
}

bool HttpRequestParser::TakeExpectsContinue() { return std::exchange(waits_for_continue_, false); }

int HttpRequestParser::Fail(int status, std::string message) {
  error_ = {status, std::move(message)};
  return -1;
}

int HttpRequestParser::OnTarget(std::string_view text) {
  request_.target.append(text);
  if (request_.target.size() <= kMaxTarget) return 0;
  return Fail(400, absl::StrCat("the path is over ", kMaxTarget, " bytes"));
}

int HttpRequestParser::OnFieldName(std::string_view text) {
  if (std::exchange(is_value_, false)) EndField();
  field_name_.append(text);
  return 0;
}

int HttpRequestParser::OnFieldValue(std::string_view text) {
  is_value_ = true;
  field_value_.append(text);
  return 0;
}

void HttpRequestParser::EndField() {
  expects_continue_ |= absl::EqualsIgnoreCase(field_name_, "Expect") &&
                       absl::EqualsIgnoreCase(field_value_, "100-continue");
  field_name_.clear();
  field_value_.clear();
}

int HttpRequestParser::OnHead() {
  if (std::exchange(is_value_, false)) EndField();
  request_.method = http_method_str(static_cast<http_method>(parser_.method));
  if (parser_.http_major != 1) {
    return Fail(400, absl::StrCat("firn's API speaks HTTP/1.1, not version ", parser_.http_major,
                                  ".", parser_.http_minor));
  }
  const bool has_length =
      parser_.content_length != std::numeric_limits<uint64_t>::max() && parser_.content_length > 0;
  const bool has_body = has_length || (parser_.flags & F_CHUNKED) != 0;
  if (has_length && parser_.content_length > kMaxBody) {
    return Fail(413, absl::StrCat("the body has ", parser_.content_length, " bytes, and ", kMaxBody,
                                  " are the limit"));
  }
  waits_for_continue_ = expects_continue_ && has_body && parser_.http_minor > 0;
  return 0;
}

int HttpRequestParser::OnBody(std::string_view text) {
  waits_for_continue_ = false;
  if (text.size() > kMaxBody - request_.body.size()) {
    return Fail(413, absl::StrCat("the body is over ", kMaxBody, " bytes"));
  }
  request_.body.append(text);
  return 0;
}

int HttpRequestParser::OnMessage() {
  EndField();  // of a chunked body's trailer
  is_value_ = false;
  request_.keep_alive = http_should_keep_alive(&parser_) != 0;
  is_complete_ = true;
  http_parser_pause(&parser_, 1);
  return 0;
}

}  // namespace firn::api
