// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kvm_fd.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn::kvm {
namespace {

// KVM_CREATE_VM, for one, is interrupted by any signal, and a busy profiler sends thousands a
// second. About 50 ms of trying, less and less often.
constexpr int kAttempts = 64;
constexpr unsigned kLongestPauseMicroseconds = 1000;

std::string_view Remedy(int error_number) {
  switch (error_number) {
    case ENOMEM:
      return "the host, or this process's memory limit, has not enough memory left";
    case ENOTTY:
      return "this kernel does not have it: take a newer one";
    case EPERM:
    case EACCES:
      return "a security policy of the host (seccomp, SELinux, a container) forbids it";
    case EIO:
      return "the kernel has given this VM up; its log (dmesg) may say why";
    case EINTR:
    case EAGAIN:
      return "given up after many attempts: what it needs is not ready, or something sends this "
             "process signals without pause";
    default:
      return {};
  }
}

}  // namespace

absl::Status KvmError(int error_number, std::string_view call) {
  return Suggest(ErrnoStatus(error_number, call), Remedy(error_number));
}

absl::StatusOr<int> KvmFd::Ioctl(Request request, uintptr_t argument,
                                 std::string_view detail) const {
  int result = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    result = calls_->Ioctl(fd_, request, argument);
    if (result != -EINTR && result != -EAGAIN) break;
    if (attempt > 0) {
      usleep(std::min(1u << std::min(attempt, 16), kLongestPauseMicroseconds));
    }
  }
  if (result >= 0) return result;
  return KvmError(-result, detail.empty() ? std::string(RequestName(request))
                                          : absl::StrCat(RequestName(request), "(", detail, ")"));
}

absl::Status AttributeIoctl(const KvmFd& fd, Request request, std::string_view device,
                            uint32_t group, uint64_t attr, uint64_t addr) {
  DeviceAttr argument = {.flags = 0, .group = group, .attr = attr, .addr = addr};
  return fd.Ioctl(request, &argument,
                  absl::StrCat(device, ", group ", group, ", attribute 0x", absl::Hex(attr)));
}

}  // namespace firn::kvm
