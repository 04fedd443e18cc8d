// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// copy_from_user and copy_to_user for a hypervisor that is part of its own user process: an
// ioctl's pointer may be wrong, and that is EFAULT, not a crash.
#ifndef FIRN_HYPERVISOR_SOFTWARE_USER_MEMORY_H_
#define FIRN_HYPERVISOR_SOFTWARE_USER_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace firn::software {

// Copy between a buffer of ours and address `user` of this process. EFAULT, naming `call`, where
// any byte at `user` is not readable (writable); then the destination is partly written.
absl::Status CopyFromUser(absl::Span<std::byte> to, uint64_t user, std::string_view call);
absl::Status CopyToUser(uint64_t user, absl::Span<const std::byte> from, std::string_view call);

// One value of a plain type (u32, u64, a struct of the kernel's interface).
template <typename T>
absl::StatusOr<T> GetUser(uint64_t user, std::string_view call) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  absl::Status status =
      CopyFromUser(absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(T)), user, call);
  if (!status.ok()) return status;
  return value;
}

template <typename T>
absl::Status PutUser(uint64_t user, const T& value, std::string_view call) {
  static_assert(std::is_trivially_copyable_v<T>);
  return CopyToUser(
      user, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&value), sizeof(T)), call);
}

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_USER_MEMORY_H_
