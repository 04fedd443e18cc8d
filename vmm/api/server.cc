// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "vmm/api/http_response.h"

namespace firn::api {
namespace {

FileDescriptor OpenSpare() { return FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

FileDescriptor Accept(int listener) {
  return FileDescriptor(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// Sends what the socket takes; false where the client is gone.
bool Flush(int fd, Connection& connection) {
  while (!connection.output().empty()) {
    const std::string_view output = connection.output();
    const ssize_t sent = send(fd, output.data(), output.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    connection.Sent(static_cast<size_t>(sent));
  }
  return true;
}

// Reads once; false where the client is gone.
bool ReadOnce(int fd, Connection& connection) {
  std::array<char, 4096> buffer;
  const ssize_t size = read(fd, buffer.data(), buffer.size());
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) {
    connection.ReceiveEnd();
  } else {
    connection.Receive({buffer.data(), static_cast<size_t>(size)});
  }
  return true;
}

// Whether the client neither reads nor writes any more. To look at while nothing is read.
bool HasHungUp(int fd) {
  pollfd state = {.fd = fd, .events = 0, .revents = 0};
  return poll(&state, 1, 0) > 0;
}

void Refuse(const FileDescriptor& client) {
  const std::string text = FormatResponse(
      {.status = 503,
       .body = FaultBody(absl::StrCat("all ", Server::kMaxConnections, " connections are in use")),
       .keep_alive = false});
  // A socket that is new takes it at once.
  [[maybe_unused]] const ssize_t sent =
      send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(EventLoop& loop, Handler& handler,
                                                      const std::string& path) {
  absl::StatusOr<UnixListener> listener = UnixListener::Bind(path);
  if (!listener.ok()) return listener.status();
  std::unique_ptr<Server> server(new Server(loop, handler, *std::move(listener)));
  server->spare_ = OpenSpare();
  absl::Status status =
      loop.AddMonitor(server->listener_.fd(), [server = server.get()] { server->OnConnect(); });
  if (!status.ok()) return status;
  return server;
}

Server::~Server() {
  loop_.RemoveMonitor(listener_.fd());
  for (const auto& [fd, client] : clients_) loop_.RemoveMonitor(fd);
}

void Server::OnConnect() {
  FileDescriptor client = Accept(listener_.fd());
  if (client.is_valid()) {
    if (clients_.size() == kMaxConnections) {
      Refuse(client);
    } else {
      Add(std::move(client));
    }
    return;
  }
  if (errno != EMFILE && errno != ENFILE) return;
  // A client that waits would wake the loop again and again.
  spare_.Reset();
  Accept(listener_.fd());
  spare_ = OpenSpare();
}

void Server::Add(FileDescriptor fd) {
  const int key = fd.get();
  if (!loop_.AddMonitor(key, [this, key] { OnReady(key); }).ok()) return;
  Client client = {.fd = std::move(fd),
                   .connection = Connection::Create(handler_, [this, key] { OnAnswer(key); }),
                   .events = EPOLLIN};
  clients_.emplace(key, std::move(client));
}

void Server::Remove(int fd) {
  loop_.RemoveMonitor(fd);
  clients_.erase(fd);
}

void Server::OnReady(int fd) {
  // Handlers may run below: they must not lose the connection that they answer to.
  const std::shared_ptr<Connection> connection = clients_.at(fd).connection;
  if (!connection->wants_input() && connection->output().empty()) {
    if (HasHungUp(fd)) Remove(fd);
    return;
  }
  bool is_alive = Flush(fd, *connection);
  if (is_alive && connection->wants_input()) {
    is_alive = ReadOnce(fd, *connection) && Flush(fd, *connection);
  }
  Update(fd, is_alive);
}

void Server::OnAnswer(int fd) {
  const std::shared_ptr<Connection> connection = clients_.at(fd).connection;
  Update(fd, Flush(fd, *connection));
}

void Server::Update(int fd, bool is_alive) {
  Client& client = clients_.at(fd);
  const Connection& connection = *client.connection;
  if (!is_alive || connection.is_done()) {
    Remove(fd);
    return;
  }
  if (connection.has_sent_all() && !std::exchange(client.is_shut, true)) shutdown(fd, SHUT_WR);
  uint32_t events = 0;
  if (connection.wants_input()) events |= EPOLLIN;
  if (!connection.output().empty()) events |= EPOLLOUT;
  if (std::exchange(client.events, events) != events) loop_.SetMonitorEvents(fd, events);
}

}  // namespace firn::api
