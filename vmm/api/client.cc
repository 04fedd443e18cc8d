// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/client.h"

#include <fcntl.h>
#include <http_parser.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"
#include "vmm/api/unix_socket.h"
#include "vmm/config/json.h"

namespace firn::api {
namespace {

constexpr size_t kMaxAnswer = 1 << 20;

// One response from a stream of bytes.
class ResponseParser {
 public:
  ResponseParser() {
    http_parser_init(&parser_, HTTP_RESPONSE);
    parser_.data = this;
  }
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // No bytes: the stream has ended. False where they are no response.
  bool Feed(std::string_view bytes) {
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_body = [](http_parser* parser, const char* data, size_t size) {
      std::string& body = static_cast<ResponseParser*>(parser->data)->answer_.body;
      if (size > kMaxAnswer - body.size()) return -1;
      body.append(data, size);
      return 0;
    };
    settings.on_message_complete = [](http_parser* parser) {
      auto* self = static_cast<ResponseParser*>(parser->data);
      if (parser->status_code / 100 == 1) return 0;  // interim: the response follows
      self->answer_.status = parser->status_code;
      self->is_complete_ = true;
      http_parser_pause(parser, 1);
      return 0;
    };
    http_parser_execute(&parser_, &settings, bytes.data(), bytes.size());
    return is_complete_ || HTTP_PARSER_ERRNO(&parser_) == HPE_OK;
  }

  bool is_complete() const { return is_complete_; }
  ClientAnswer Take() { return std::move(answer_); }

 private:
  http_parser parser_;
  ClientAnswer answer_;
  bool is_complete_ = false;
};

class Exchange {
 public:
  Exchange(FileDescriptor fd, std::string path, absl::Time deadline)
      : fd_(std::move(fd)), path_(std::move(path)), deadline_(deadline) {}

  // Stops where the server reads no more: it may have answered already.
  absl::Status Send(std::string_view bytes) {
    while (!bytes.empty()) {
      absl::Status status = Wait(POLLOUT);
      if (!status.ok()) return status;
      const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EPIPE || errno == ECONNRESET) {
        break;
      } else if (errno != EAGAIN && errno != EINTR) {
        return ErrnoStatus(errno, absl::StrCat("send to ", path_));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ClientAnswer> Receive() {
    ResponseParser parser;
    std::array<char, 4096> buffer;
    while (true) {
      absl::Status status = Wait(POLLIN);
      if (!status.ok()) return status;
      const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (size < 0 && errno != ECONNRESET) {
        return ErrnoStatus(errno, absl::StrCat("receive from ", path_));
      }
      const bool has_ended = size <= 0;
      if (!parser.Feed({buffer.data(), has_ended ? 0 : static_cast<size_t>(size)}) && !has_ended) {
        return absl::DataLossError(
            absl::StrCat(path_, " gave an answer that is not of firn's API"));
      }
      if (parser.is_complete()) return parser.Take();
      if (has_ended) {
        return absl::UnavailableError(
            absl::StrCat("the virtual machine at ", path_, " ended before it answered"));
      }
    }
  }

 private:
  absl::Status Wait(short events) {
    while (true) {
      const absl::Duration left = deadline_ - absl::Now();
      const int milliseconds =
          left == absl::InfiniteDuration()
              ? -1
              : static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 0, 1 << 30));
      pollfd state = {.fd = fd_.get(), .events = events, .revents = 0};
      const int count = poll(&state, 1, milliseconds);
      if (count > 0) return absl::OkStatus();
      if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
      if (count == 0 && absl::Now() >= deadline_) {
        return absl::DeadlineExceededError(
            absl::StrCat("the virtual machine at ", path_, " did not answer in time"));
      }
    }
  }

  const FileDescriptor fd_;
  const std::string path_;
  const absl::Time deadline_;
};

std::string Format(const ClientRequest& request) {
  std::string text = absl::StrCat(request.method, " ", request.target,
                                  " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
                                  "Connection: close\r\n");
  if (!request.body.empty()) {
    absl::StrAppend(
        &text, "Content-Type: application/json\r\nContent-Length: ", request.body.size(), "\r\n");
  }
  absl::StrAppend(&text, "\r\n", request.body);
  return text;
}

}  // namespace

absl::StatusOr<ClientAnswer> Call(const std::string& path, const ClientRequest& request,
                                  absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  absl::StatusOr<FileDescriptor> fd = ConnectUnix(path, limit);
  if (!fd.ok()) return fd.status();
  Exchange exchange(*std::move(fd), path, deadline);
  absl::Status status = exchange.Send(Format(request));
  if (!status.ok()) return status;
  return exchange.Receive();
}

std::string FaultMessage(const ClientAnswer& answer) {
  absl::StatusOr<nlohmann::json> body = ParseJson(answer.body);
  if (body.ok() && body->is_object() && body->contains("fault_message") &&
      (*body)["fault_message"].is_string()) {
    return (*body)["fault_message"].get<std::string>();
  }
  return absl::StrCat("status ", answer.status, " ", answer.body.substr(0, 200));
}

}  // namespace firn::api
