// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Page faults of this process handled by this process: a thin layer over userfaultfd(2).
// Source: Linux Documentation/admin-guide/mm/userfaultfd.rst, include/uapi/linux/userfaultfd.h.
#ifndef FIRN_MIGRATION_USERFAULT_H_
#define FIRN_MIGRATION_USERFAULT_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

// Of this host, in bytes.
uint64_t HostPageSize();

// All ranges are whole host pages. A thread that touches a page of a registered range which is not
// there sleeps until Copy or Zero puts it there, or Wake, Unregister or the destructor lets it try
// again. Errors keep errno.
// Thread rules: every method may be called from any thread.
class Userfault {
 public:
  // Takes faults of the kernel too (KVM, and system calls that get guest memory): these need
  // CAP_SYS_PTRACE, vm.unprivileged_userfaultfd=1 or access to /dev/userfaultfd. The error names
  // the remedy.
  static absl::StatusOr<Userfault> Create();

  // Readable when a thread waits; non-blocking.
  int fd() const { return fd_.get(); }

  absl::Status Register(absl::Span<std::byte> range);
  absl::Status Unregister(absl::Span<std::byte> range);

  // Puts pages in place and wakes who waits for them. Pages that are there already stay as they
  // are. `from` has the size of `to`. For a thread that nobody else puts pages in place meanwhile.
  absl::Status Copy(absl::Span<std::byte> to, const std::byte* from);
  absl::Status Zero(absl::Span<std::byte> to);
  absl::Status Wake(absl::Span<std::byte> range);

  // The address that a thread waits for; nothing where none waits any more. EINTR is nothing.
  absl::StatusOr<std::optional<const std::byte*>> ReadFault();

 private:
  explicit Userfault(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_USERFAULT_H_
