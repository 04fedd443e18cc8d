// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Stream sockets with a name in the file system (unix(7)), for server and client.
#ifndef FIRN_VMM_API_UNIX_SOCKET_H_
#define FIRN_VMM_API_UNIX_SOCKET_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hypervisor/file_descriptor.h"

namespace firn::api {

// A socket that listens. Its file goes with it, unless another one has taken its place.
class UnixListener {
 public:
  // Makes the file, with mode 0600 less the umask: who may connect may control the guest. A socket
  // file that a process left behind is replaced. Errors: InvalidArgument for a path that no socket
  // can have; AlreadyExists for a file that is no socket or a socket that a process listens on;
  // those of socket(2), bind(2) and listen(2). Each names the path.
  static absl::StatusOr<UnixListener> Bind(const std::string& path);

  UnixListener(UnixListener&&) = default;
  ~UnixListener();

  // Does not block.
  int fd() const { return fd_.get(); }

 private:
  UnixListener(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  FileDescriptor fd_;
  std::string path_;
  dev_t device_ = 0;  // of the file that Bind made
  ino_t inode_ = 0;
};

// A connection to the socket at `path`. Waits until the server takes it, at most for `limit` (which
// may be infinite). Errors say what to do where there is no socket or nobody listens, and name the
// path.
absl::StatusOr<FileDescriptor> ConnectUnix(const std::string& path, absl::Duration limit);

}  // namespace firn::api

#endif  // FIRN_VMM_API_UNIX_SOCKET_H_
