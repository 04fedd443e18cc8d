// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn::api {
namespace {

constexpr mode_t kMode = 0600;
constexpr int kBacklog = 16;

absl::StatusOr<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty())
    return absl::InvalidArgumentError("a socket needs a path, and this one is empty");
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket ", path, ": the path has ", path.size(), " bytes, and Linux takes ",
                     sizeof(address.sun_path) - 1, " at most: give a shorter or a relative one"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::Status SocketError(int error, std::string_view call, const std::string& path) {
  return ErrnoStatus(error, absl::StrCat(call, " ", path));
}

int Connect(int fd, const sockaddr_un& address) {
  int result;
  do {
    result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

absl::StatusOr<FileDescriptor> Socket(int flags) {
  FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd.is_valid()) return ErrnoStatus(errno, "socket(AF_UNIX)");
  return fd;
}

// Two firn that start at once must not take each other's new socket for an old one: until the
// descriptor goes, the folder is locked against other firn. None where the folder cannot be opened:
// what is wrong with it, bind says.
FileDescriptor LockFolder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  FileDescriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (fd.is_valid() && flock(fd.get(), LOCK_EX) < 0 && errno == EINTR) {
  }
  return fd;
}

// Removes a socket that nobody listens on any more; anything else at `path` is an error.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat stat = {};
  if (lstat(path.c_str(), &stat) < 0) {
    return errno == ENOENT ? absl::OkStatus() : SocketError(errno, "socket", path);
  }
  if (!S_ISSOCK(stat.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat("socket ", path, ": there is a file of this name that is no socket"));
  }
  const absl::StatusOr<FileDescriptor> probe = Socket(SOCK_NONBLOCK);
  if (!probe.ok()) return probe.status();
  const int error = Connect(probe->get(), address);
  if (error == ECONNREFUSED) {
    if (unlink(path.c_str()) < 0) return SocketError(errno, "remove the old socket", path);
    return absl::OkStatus();
  }
  if (error == 0 || error == EAGAIN) {
    return absl::AlreadyExistsError(absl::StrCat(
        "socket ", path, ": a running process listens on it: end it, or give another path"));
  }
  return SocketError(error, "socket", path);
}

}  // namespace

absl::StatusOr<UnixListener> UnixListener::Bind(const std::string& path) {
  const absl::StatusOr<sockaddr_un> address = Address(path);
  if (!address.ok()) return address.status();
  absl::StatusOr<FileDescriptor> fd = Socket(SOCK_NONBLOCK);
  if (!fd.ok()) return fd.status();
  const FileDescriptor lock = LockFolder(path);
  absl::Status status = RemoveStale(path, *address);
  if (!status.ok()) return status;
  // The file takes its mode from the socket: there is no moment at which it has another one.
  if (fchmod(fd->get(), kMode) < 0) return SocketError(errno, "fchmod of socket", path);
  if (bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) < 0) {
    const int error = errno;
    return Suggest(SocketError(error, "bind socket", path),
                   error == ENOENT ? "its folder is not there" : "");
  }
  UnixListener listener(*std::move(fd), path);
  struct stat stat = {};
  if (lstat(path.c_str(), &stat) < 0) return SocketError(errno, "stat", path);
  listener.device_ = stat.st_dev;
  listener.inode_ = stat.st_ino;
  if (listen(listener.fd(), kBacklog) < 0) return SocketError(errno, "listen on", path);
  return listener;
}

UnixListener::~UnixListener() {
  struct stat stat = {};
  if (fd_.is_valid() && lstat(path_.c_str(), &stat) == 0 && stat.st_dev == device_ &&
      stat.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

absl::StatusOr<FileDescriptor> ConnectUnix(const std::string& path, absl::Duration limit) {
  const absl::StatusOr<sockaddr_un> address = Address(path);
  if (!address.ok()) return address.status();
  absl::StatusOr<FileDescriptor> fd = Socket(0);
  if (!fd.ok()) return fd.status();
  // connect(2) waits for a place in the server's backlog as long as a send would; 0: for ever.
  const timeval timeout = limit == absl::InfiniteDuration() ? timeval{} : absl::ToTimeval(limit);
  if (setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
    return SocketError(errno, "setsockopt of socket", path);
  }
  const int error = Connect(fd->get(), *address);
  if (error == 0) return fd;
  std::string_view remedy;
  struct stat stat = {};
  if (error == ENOENT) {
    remedy = "is the virtual machine running, with --api-sock and this path?";
  } else if (lstat(path.c_str(), &stat) == 0 && !S_ISSOCK(stat.st_mode)) {
    remedy = "it is no socket; give the path of --api-sock";
  } else if (error == ECONNREFUSED) {
    remedy = "nobody listens on it: the firn that made it has ended";
  } else if (error == EAGAIN) {
    remedy = "the server takes no connections";
  } else if (error == EACCES) {
    remedy = "only the user that started the virtual machine may control it";
  }
  return Suggest(SocketError(error, "connect to", path), remedy);
}

}  // namespace firn::api
