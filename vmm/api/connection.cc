// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/connection.h"

#include <utility>

#include "absl/log/check.h"
#include "vmm/api/request.h"

namespace firn::api {

std::shared_ptr<Connection> Connection::Create(Handler& handler, std::function<void()> on_answer) {
  return std::shared_ptr<Connection>(new Connection(handler, std::move(on_answer)));
}

bool Connection::wants_input() const {
  return !has_ended_ && !is_pending_ && output_.empty() && input_.empty();
}

void Connection::Receive(std::string_view bytes) {
  if (is_closing_) {
    discarded_ += bytes.size();
    return;
  }
  input_.append(bytes);
  Process();
}

void Connection::ReceiveEnd() {
  has_ended_ = true;
  Process();
}

void Connection::Sent(size_t bytes) {
  output_.erase(0, bytes);
  if (output_.empty()) Process();
}

// A handler that answers at once comes back here.
void Connection::Process() {
  if (is_processing_) return;
  is_processing_ = true;
  while (!is_closing_ && !is_pending_ && output_.empty() && (!input_.empty() || has_ended_)) {
    ProcessSome();
  }
  is_processing_ = false;
}

void Connection::ProcessSome() {
  using Progress = HttpRequestParser::Progress;
  Progress progress;
  if (input_.empty()) {
    progress = parser_.FeedEnd();
  } else {
    std::string_view rest = input_;
    progress = parser_.Feed(rest);
    input_.erase(0, input_.size() - rest.size());
  }
  switch (progress) {
    case Progress::kComplete:
      Dispatch(parser_.Take());
      break;
    case Progress::kFailed:
      keep_alive_ = is_head_ = is_deprecated_ = false;
      Answer({.status = parser_.error().status, .body = FaultBody(parser_.error().message)});
      break;
    case Progress::kNeedsMore:
      if (parser_.TakeExpectsContinue()) {
        output_ = kContinue;
      } else if (has_ended_ && input_.empty()) {
        is_closing_ = true;
      }
      break;
  }
}

void Connection::Dispatch(const HttpRequest& request) {
  keep_alive_ = request.keep_alive;
  is_head_ = request.method == "HEAD";
  is_deprecated_ = false;
  absl::StatusOr<ParsedRequest> parsed = ParseRequest(request.method, request.target, request.body);
  if (!parsed.ok()) {
    Answer({.status = 400, .body = FaultBody(parsed.status().message())});
    return;
  }
  is_deprecated_ = parsed->is_deprecated;
  is_pending_ = true;
  handler_.Handle(parsed->request, [weak = weak_from_this(),
                                    number = ++number_](const absl::StatusOr<std::string>& result) {
    if (const std::shared_ptr<Connection> self = weak.lock()) self->OnDone(number, result);
  });
}

void Connection::OnDone(uint64_t number, const absl::StatusOr<std::string>& result) {
  CHECK(is_pending_ && number == number_) << "a request is answered once";
  is_pending_ = false;
  if (!result.ok()) {
    Answer({.status = 400, .body = FaultBody(result.status().message())});
  } else {
    Answer({.status = result->empty() ? 204 : 200, .body = *result});
  }
  if (!is_processing_) on_answer_();
}

void Connection::Answer(HttpResponse response) {
  // The answer to HEAD has no body (RFC 9110 section 9.3.2); firn has no such request.
  if (is_head_) response.body.clear();
  response.keep_alive = keep_alive_;
  response.is_deprecated = is_deprecated_;
  output_ = FormatResponse(response);
  if (keep_alive_) return;
  is_closing_ = true;
  discarded_ += input_.size();
  input_.clear();
}

}  // namespace firn::api
