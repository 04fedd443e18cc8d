// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/lost_memory.h"

#include <sys/mman.h>

#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn {

absl::StatusOr<LostMemory> LostMemory::Create() {
  FileDescriptor empty(memfd_create("firn-lost", MFD_CLOEXEC));
  if (!empty.is_valid()) return ErrnoStatus(errno, "memfd_create");
  return LostMemory(std::move(empty));
}

bool LostMemory::Replace(absl::Span<std::byte> range) const {
  return mmap(range.data(), range.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
              empty_.get(), 0) != MAP_FAILED;
}

void LostMemory::Close(absl::Span<std::byte> range) {
  mprotect(range.data(), range.size(), PROT_NONE);
}

}  // namespace firn
