// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// An owned file descriptor of KVM, and ioctls on it with errors that say what to do.
#ifndef FIRN_HYPERVISOR_KVM_KVM_FD_H_
#define FIRN_HYPERVISOR_KVM_KVM_FD_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/kvm_calls.h"

namespace firn::kvm {

// The status of a failed call, with errno, and a remedy where the errno has one that does not
// depend on the call (ENOMEM, ENOTTY, EPERM).
absl::Status KvmError(int error_number, std::string_view call);

class KvmFd {
 public:
  // Takes `fd` over; `calls` outlives the object.
  KvmFd(KvmCalls& calls, int fd) : calls_(&calls), fd_(fd) {}
  KvmFd(KvmFd&& other) noexcept : calls_(other.calls_), fd_(std::exchange(other.fd_, -1)) {}
  KvmFd& operator=(KvmFd&&) = delete;
  ~KvmFd() {
    if (fd_ >= 0) calls_->Close(fd_);
  }

  KvmCalls& calls() const { return *calls_; }
  int fd() const { return fd_; }

  // The result, or an error "KVM_NAME(detail): …". EINTR and EAGAIN are tried again, but not for
  // ever. Not for KVM_RUN, where they mean something.
  absl::StatusOr<int> Ioctl(Request request, uintptr_t argument,
                            std::string_view detail = {}) const;

  // The same with a struct for an argument, and nothing but success for a result.
  template <typename T>
  absl::Status Ioctl(Request request, T* argument, std::string_view detail = {}) const {
    return Ioctl(request, reinterpret_cast<uintptr_t>(argument), detail).status();
  }

 private:
  KvmCalls* calls_;
  int fd_;
};

// KVM_{HAS,GET,SET}_DEVICE_ATTR on `fd`; `device` names it in errors ("ARM_VGIC_V3").
absl::Status AttributeIoctl(const KvmFd& fd, Request request, std::string_view device,
                            uint32_t group, uint64_t attr, uint64_t addr);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KVM_FD_H_
