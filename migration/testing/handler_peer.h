// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A page fault handler for tests that play it: the other side of FaultHandler.
#ifndef FIRN_MIGRATION_TESTING_HANDLER_PEER_H_
#define FIRN_MIGRATION_TESTING_HANDLER_PEER_H_

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/log/check.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

// Dies where a system call fails.
class HandlerPeer {
 public:
  // Listens at path().
  HandlerPeer() {
    unlink(path_.c_str());
    const sockaddr_un address = Address();
    listener_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    PCHECK(bind(listener_.get(), at, sizeof(address)) == 0);
    PCHECK(listen(listener_.get(), 1) == 0);
  }
  ~HandlerPeer() { unlink(path_.c_str()); }

  const std::string& path() const { return path_; }
  sockaddr_un Address() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path_.data(), path_.size());
    return address;
  }

  // Takes the userfaultfd; the text that came with it.
  std::string Accept() {
    connection_.Reset(accept(listener_.get(), nullptr, nullptr));
    PCHECK(connection_.is_valid());
    char text[4096];
    iovec data = {.iov_base = text, .iov_len = sizeof(text)};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t size = recvmsg(connection_.get(), &message, 0);
    PCHECK(size >= 0 && CMSG_FIRSTHDR(&message) != nullptr);
    int fd = -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    userfault_.Reset(fd);
    return std::string(text, static_cast<size_t>(size));
  }

  // Returns when a thread waits for a page.
  void WaitForFault() const {
    pollfd ready = {userfault_.get(), POLLIN, 0};
    while (poll(&ready, 1, -1) < 0) PCHECK(errno == EINTR);
  }

  // Puts a page that is all `value` in place.
  void Place(std::byte* page, std::byte value) const {
    const std::vector<std::byte> content(static_cast<size_t>(sysconf(_SC_PAGESIZE)), value);
    uffdio_copy copy = {.dst = reinterpret_cast<uintptr_t>(page),
                        .src = reinterpret_cast<uintptr_t>(content.data()),
                        .len = content.size(),
                        .mode = 0,
                        .copy = 0};
    PCHECK(ioctl(userfault_.get(), UFFDIO_COPY, &copy) == 0);
  }

  // The handler's process is gone, at whatever it was.
  void Die() {
    listener_.Reset();
    userfault_.Reset();
    connection_.Reset();
  }

  // Whether firn has closed its side; waits for that or for data.
  bool IsHungUp() const {
    char byte;
    return read(connection_.get(), &byte, 1) == 0;
  }

 private:
  // Below the limit of a socket's path, which a test's folder need not be.
  const std::string path_ = "/tmp/firn-handler-" + std::to_string(getpid());
  FileDescriptor listener_, connection_, userfault_;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_TESTING_HANDLER_PEER_H_
