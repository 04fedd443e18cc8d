// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// HTTP/1.1 requests (RFC 9112) from a stream of bytes, in whatever pieces it comes. http-parser
// does the parsing; here are the limits and one request at a time.
#ifndef FIRN_VMM_API_HTTP_REQUEST_H_
#define FIRN_VMM_API_HTTP_REQUEST_H_

#include <http_parser.h>

#include <string>
#include <string_view>

namespace firn::api {

struct HttpRequest {
  std::string_view method;  // "GET": a constant
  std::string target;
  std::string body;
  bool keep_alive = false;  // the client may send another request behind the answer
};

// What is wrong with a request that cannot be read.
struct HttpError {
  int status = 0;  // of the answer: 400, or 413 for a body over kMaxBody
  std::string message;
};

// Request line and header fields together; more is refused.
inline constexpr uint32_t kMaxHead = 8192;

class HttpRequestParser {
 public:
  enum class Progress {
    kNeedsMore,  // all bytes are taken, and no request is complete
    kComplete,   // Take gives the request
    kFailed,     // error() says why; the stream is of no use from here on
  };

  HttpRequestParser();
  HttpRequestParser(const HttpRequestParser&) = delete;
  HttpRequestParser& operator=(const HttpRequestParser&) = delete;

  // Takes bytes off the front of `bytes`, up to the end of a request.
  Progress Feed(std::string_view& bytes);
  // The stream has ended. kNeedsMore: between two requests, where it may.
  Progress FeedEnd();

  // After kComplete; Feed goes on with the next request.
  HttpRequest Take();
  const HttpError& error() const { return error_; }

  // True once where the client waits for "100 Continue" before it sends the body (Expect:
  // 100-continue, RFC 9110 section 10.1.1).
  bool TakeExpectsContinue();

 private:
  template <int (HttpRequestParser::*method)(std::string_view)>
  static int OnData(http_parser* parser, const char* data, size_t size);
  template <int (HttpRequestParser::*method)()>
  static int OnEvent(http_parser* parser);
  static http_parser_settings Settings();

  // What http-parser calls; -1 ends parsing with error_.
  int OnTarget(std::string_view text);
  int OnFieldName(std::string_view text);
  int OnFieldValue(std::string_view text);
  int OnHead();
  int OnBody(std::string_view text);
  int OnMessage();

  void EndField();
  int Fail(int status, std::string message);
  Progress Execute(std::string_view& bytes);

  http_parser parser_;
  HttpRequest request_;
  HttpError error_;
  std::string field_name_;
  std::string field_value_;
  bool is_value_ = false;  // the last piece of a header field was of its value
  bool expects_continue_ = false;
  bool waits_for_continue_ = false;
  bool is_complete_ = false;
};

}  // namespace firn::api

#endif  // FIRN_VMM_API_HTTP_REQUEST_H_
