// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The control API: HTTP/1.1 on a unix socket, in the event loop. No client can keep the loop
// waiting.
#ifndef FIRN_VMM_API_SERVER_H_
#define FIRN_VMM_API_SERVER_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hypervisor/file_descriptor.h"
#include "vmm/api/connection.h"
#include "vmm/api/handler.h"
#include "vmm/api/unix_socket.h"
#include "vmm/base/event_loop.h"

namespace firn::api {

// All of it on the thread of EventLoop::Run, or before Run.
class Server {
 public:
  // Further clients are told so (status 503), and let go.
  static constexpr size_t kMaxConnections = 16;

  // Listens on the socket `path` (see UnixListener::Bind), and hands requests to `handler`. Loop
  // and handler outlive the server. Errors: those of Bind and of EventLoop::AddMonitor.
  static absl::StatusOr<std::unique_ptr<Server>> Start(EventLoop& loop, Handler& handler,
                                                       const std::string& path);

  // Closes all connections and removes the socket. Requests in progress are not answered.
  ~Server();

 private:
  struct Client {
    FileDescriptor fd;
    std::shared_ptr<Connection> connection;
    uint32_t events = 0;   // of the event loop
    bool is_shut = false;  // for writing
  };

  Server(EventLoop& loop, Handler& handler, UnixListener listener)
      : loop_(loop), handler_(handler), listener_(std::move(listener)) {}

  void OnConnect();
  void Add(FileDescriptor fd);
  void Remove(int fd);
  // The socket is ready, or there is something to send.
  void OnReady(int fd);
  void OnAnswer(int fd);
  void Update(int fd, bool is_alive);

  EventLoop& loop_;
  Handler& handler_;
  UnixListener listener_;
  FileDescriptor spare_;  // given up to take, and let go, a client when there are no others
  std::map<int, Client> clients_;
};

}  // namespace firn::api

#endif  // FIRN_VMM_API_SERVER_H_
