// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The server's side of one HTTP connection, without its socket: bytes in, requests to the handler,
// bytes out. Requests are answered one after the other; the next is looked at once the answer
// before it is written, so that a client holds no more memory here than one request and one answer.
#ifndef FIRN_VMM_API_CONNECTION_H_
#define FIRN_VMM_API_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "vmm/api/handler.h"
#include "vmm/api/http_request.h"
#include "vmm/api/http_response.h"

namespace firn::api {

// One thread: the handler's.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // What a client may still send behind an answer that closes the connection. It is read and thrown
  // away, so that the client, still writing, gets to read the answer.
  static constexpr size_t kMaxDiscarded = 1 << 20;

  // `on_answer` is called when output() has become more outside of Receive, ReceiveEnd and Sent.
  static std::shared_ptr<Connection> Create(Handler& handler, std::function<void()> on_answer);

  // While wants_input().
  void Receive(std::string_view bytes);
  // The client sends no more; it may still read.
  void ReceiveEnd();
  bool wants_input() const;

  // What there is to send, and how much of it was sent.
  std::string_view output() const { return output_; }
  void Sent(size_t bytes);

  // Everything that there ever will be is sent: time to shut the socket for writing.
  bool has_sent_all() const { return is_closing_ && output_.empty(); }
  // And the client sends no more either: time to close the socket.
  bool is_done() const { return has_sent_all() && (has_ended_ || discarded_ > kMaxDiscarded); }

 private:
  Connection(Handler& handler, std::function<void()> on_answer)
      : handler_(handler), on_answer_(std::move(on_answer)) {}

  void Process();
  void ProcessSome();
  void Dispatch(const HttpRequest& request);
  void OnDone(uint64_t number, const absl::StatusOr<std::string>& result);
  void Answer(HttpResponse response);

  Handler& handler_;
  const std::function<void()> on_answer_;
  HttpRequestParser parser_;
  std::string input_;  // received and not parsed
  std::string output_;
  size_t discarded_ = 0;
  bool has_ended_ = false;      // the client sends no more
  bool is_closing_ = false;     // no request will be read any more
  bool is_processing_ = false;  // Process is on the stack

  // The request in progress.
  uint64_t number_ = 0;
  bool is_pending_ = false;  // the handler has it
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool is_deprecated_ = false;
};

}  // namespace firn::api

#endif  // FIRN_VMM_API_CONNECTION_H_
