// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/userfault.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "hypervisor/errno_status.h"

namespace firn {
namespace {

constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;

#ifndef USERFAULTFD_IOC_NEW  // Linux 6.1
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

uint64_t AddressOf(const std::byte* at) { return reinterpret_cast<uintptr_t>(at); }

uffdio_range RangeOf(absl::Span<std::byte> range) {
  return {.start = AddressOf(range.data()), .len = range.size()};
}

// A file descriptor, or invalid with errno.
FileDescriptor Open() {
  FileDescriptor fd(static_cast<int>(syscall(SYS_userfaultfd, kFlags)));
  if (fd.is_valid() || errno != EPERM) return fd;
  // Who may open the device needs no capability.
  const FileDescriptor device(open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
  if (device.is_valid()) fd.Reset(ioctl(device.get(), USERFAULTFD_IOC_NEW, kFlags));
  if (!fd.is_valid()) errno = EPERM;
  return fd;
}

// Goes on page by page over what is there: `step` is the ioctl for what is left and returns what it
// did in bytes, or -errno.
template <typename Step>
absl::Status Place(absl::Span<std::byte> to, const char* call, Step step) {
  const uint64_t page = HostPageSize();
  for (uint64_t done = 0; done < to.size();) {
    const int64_t result = step(done);
    if (result > 0) {
      done += static_cast<uint64_t>(result);
    } else if (result == -EEXIST) {
      done += page;
    } else if (result != -EAGAIN && result != -EINTR) {
      return ErrnoStatus(static_cast<int>(-result), call);
    }
  }
  return absl::OkStatus();
}

// What an ioctl that counts bytes did; EAGAIN has done a part of it.
int64_t Done(int result, int64_t bytes) {
  if (result == 0) return bytes;
  return bytes > 0 ? bytes : -errno;
}

}  // namespace

uint64_t HostPageSize() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

absl::StatusOr<Userfault> Userfault::Create() {
  FileDescriptor fd = Open();
  if (!fd.is_valid()) {
    const int error = errno;
    const absl::Status status = ErrnoStatus(error, "userfaultfd");
    if (error == ENOSYS) return Suggest(status, "this kernel is built without CONFIG_USERFAULTFD");
    if (error != EPERM) return status;
    return Suggest(status,
                   "set the sysctl vm.unprivileged_userfaultfd=1, or give firn CAP_SYS_PTRACE or "
                   "access to /dev/userfaultfd");
  }
  uffdio_api api = {.api = UFFD_API, .features = 0, .ioctls = 0};
  if (ioctl(fd.get(), UFFDIO_API, &api) != 0) return ErrnoStatus(errno, "UFFDIO_API");
  return Userfault(std::move(fd));
}

absl::Status Userfault::Register(absl::Span<std::byte> range) {
  uffdio_register request = {
      .range = RangeOf(range), .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
  if (ioctl(fd_.get(), UFFDIO_REGISTER, &request) != 0) {
    return ErrnoStatus(errno, "UFFDIO_REGISTER");
  }
  constexpr uint64_t kNeeded = uint64_t{1} << _UFFDIO_COPY | uint64_t{1} << _UFFDIO_ZEROPAGE;
  if ((request.ioctls & kNeeded) == kNeeded) return absl::OkStatus();
  return ErrnoStatus(ENOTSUP, "UFFDIO_REGISTER: no UFFDIO_COPY and UFFDIO_ZEROPAGE here");
}

absl::Status Userfault::Unregister(absl::Span<std::byte> range) {
  uffdio_range request = RangeOf(range);
  if (ioctl(fd_.get(), UFFDIO_UNREGISTER, &request) != 0) {
    return ErrnoStatus(errno, "UFFDIO_UNREGISTER");
  }
  // It wakes who waits before it locks the mappings: with per-VMA locks (Linux 6.4 and on) a thread
  // may begin to wait in between, and would for ever.
  return Wake(range);
}

absl::Status Userfault::Copy(absl::Span<std::byte> to, const std::byte* from) {
  return Place(to, "UFFDIO_COPY", [&](uint64_t done) {
    uffdio_copy request = {.dst = AddressOf(to.data() + done),
                           .src = AddressOf(from + done),
                           .len = to.size() - done,
                           .mode = 0,
                           .copy = 0};
    const int result = ioctl(fd_.get(), UFFDIO_COPY, &request);
    return Done(result, request.copy);
  });
}

absl::Status Userfault::Zero(absl::Span<std::byte> to) {
  return Place(to, "UFFDIO_ZEROPAGE", [&](uint64_t done) {
    uffdio_zeropage request = {.range = RangeOf(to.subspan(done)), .mode = 0, .zeropage = 0};
    const int result = ioctl(fd_.get(), UFFDIO_ZEROPAGE, &request);
    return Done(result, request.zeropage);
  });
}

absl::Status Userfault::Wake(absl::Span<std::byte> range) {
  uffdio_range request = RangeOf(range);
  if (ioctl(fd_.get(), UFFDIO_WAKE, &request) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "UFFDIO_WAKE");
}

absl::StatusOr<std::optional<const std::byte*>> Userfault::ReadFault() {
  while (true) {
    uffd_msg message;
    const ssize_t got = read(fd_.get(), &message, sizeof(message));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got < 0) return ErrnoStatus(errno, "read of userfaultfd");
    if (got != sizeof(message)) return ErrnoStatus(EIO, "read of userfaultfd");
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel tells addresses as numbers.
    return reinterpret_cast<const std::byte*>(message.arg.pagefault.address);
  }
}

}  // namespace firn
