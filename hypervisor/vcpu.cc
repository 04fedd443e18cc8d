// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/vcpu.h"

namespace firn {

absl::StatusOr<uint64_t> GetRegisterU64(Vcpu& vcpu, uint64_t id) {
  uint64_t value = 0;
  absl::Status status =
      vcpu.GetRegister(id, absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(value)));
  if (!status.ok()) return status;
  return value;
}

absl::Status SetRegisterU64(Vcpu& vcpu, uint64_t id, uint64_t value) {
  return vcpu.SetRegister(
      id, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&value), sizeof(value)));
}

}  // namespace firn
