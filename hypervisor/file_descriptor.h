// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// An owned file descriptor: closed when its owner goes.
#ifndef FIRN_HYPERVISOR_FILE_DESCRIPTOR_H_
#define FIRN_HYPERVISOR_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace firn {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  // Takes `fd` over; -1 stands for none.
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~FileDescriptor() { Reset(); }

  int get() const { return fd_; }
  bool is_valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace firn

#endif  // FIRN_HYPERVISOR_FILE_DESCRIPTOR_H_
