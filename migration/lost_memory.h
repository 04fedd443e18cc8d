// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What stands in the place of guest memory that nobody can load any more.
#ifndef FIRN_MIGRATION_LOST_MEMORY_H_
#define FIRN_MIGRATION_LOST_MEMORY_H_

#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

// An empty file: touching a page of it fails like reading behind the end of a mapped file. System
// calls and vCPUs of KVM get EFAULT, other instructions raise SIGBUS.
// Thread rules: any thread.
class LostMemory {
 public:
  // Errors: those of memfd_create.
  static absl::StatusOr<LostMemory> Create();

  // Puts it in the place of `range`, whole host pages. Threads that wait for pages there
  // (Userfault) have to be woken afterwards. False, and nothing is done, where the kernel has no
  // room for another mapping.
  bool Replace(absl::Span<std::byte> range) const;

  // The last resort where Replace cannot: the same, but instructions raise SIGSEGV.
  static void Close(absl::Span<std::byte> range);

 private:
  explicit LostMemory(FileDescriptor empty) : empty_(std::move(empty)) {}
  FileDescriptor empty_;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_LOST_MEMORY_H_
