// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/device.h"

namespace firn {
namespace {

template <typename T>
absl::StatusOr<T> Get(AttributeTarget& target, uint32_t group, uint64_t attr) {
  T value = 0;
  absl::Status status = target.GetAttr(group, attr, reinterpret_cast<uintptr_t>(&value));
  if (!status.ok()) return status;
  return value;
}

}  // namespace

absl::StatusOr<uint64_t> GetAttrU64(AttributeTarget& target, uint32_t group, uint64_t attr) {
  return Get<uint64_t>(target, group, attr);
}

absl::StatusOr<uint32_t> GetAttrU32(AttributeTarget& target, uint32_t group, uint64_t attr) {
  return Get<uint32_t>(target, group, attr);
}

absl::Status SetAttrU64(AttributeTarget& target, uint32_t group, uint64_t attr, uint64_t value) {
  return target.SetAttr(group, attr, reinterpret_cast<uintptr_t>(&value));
}

absl::Status SetAttrU32(AttributeTarget& target, uint32_t group, uint64_t attr, uint32_t value) {
  return target.SetAttr(group, attr, reinterpret_cast<uintptr_t>(&value));
}

}  // namespace firn
