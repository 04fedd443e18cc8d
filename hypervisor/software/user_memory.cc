// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/user_memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

// process_vm_readv and process_vm_writev check the remote side, which here is ourselves.
using Transfer = ssize_t (*)(pid_t, const iovec*, unsigned long, const iovec*, unsigned long,
                             unsigned long);

absl::Status Copy(Transfer transfer, void* local, uint64_t user, size_t size,
                  std::string_view call) {
  if (size == 0) return absl::OkStatus();
  const iovec local_vector = {.iov_base = local, .iov_len = size};
  const iovec user_vector = {.iov_base = reinterpret_cast<void*>(user), .iov_len = size};
  const ssize_t copied = transfer(getpid(), &local_vector, 1, &user_vector, 1, 0);
  if (copied == static_cast<ssize_t>(size)) return absl::OkStatus();
  return ErrnoStatus(EFAULT, call);
}

}  // namespace

absl::Status CopyFromUser(absl::Span<std::byte> to, uint64_t user, std::string_view call) {
  return Copy(process_vm_readv, to.data(), user, to.size(), call);
}

absl::Status CopyToUser(uint64_t user, absl::Span<const std::byte> from, std::string_view call) {
  return Copy(process_vm_writev, const_cast<std::byte*>(from.data()), user, from.size(), call);
}

}  // namespace firn::software
