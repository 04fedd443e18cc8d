// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Things with KVM device attributes: an in-kernel GIC, and a vCPU.
#ifndef FIRN_HYPERVISOR_DEVICE_H_
#define FIRN_HYPERVISOR_DEVICE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn {

// KVM_{HAS,GET,SET}_DEVICE_ATTR. Errors carry KVM's errno (GetErrno in errno_status.h).
class AttributeTarget {
 public:
  virtual ~AttributeTarget() = default;

  // OK where the attribute exists; usually ENXIO where not.
  virtual absl::Status HasAttr(uint32_t group, uint64_t attr) = 0;

  // `addr` is kvm_device_attr.addr: the user address of a buffer whose size and layout the
  // group defines. As in KVM a wrong address is EFAULT, not a crash.
  virtual absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) = 0;
  virtual absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) = 0;
};

// A device made by KVM_CREATE_DEVICE; it lives as long as its Vm.
class Device : public AttributeTarget {};

// The two common value widths.
absl::StatusOr<uint64_t> GetAttrU64(AttributeTarget& target, uint32_t group, uint64_t attr);
absl::Status SetAttrU64(AttributeTarget& target, uint32_t group, uint64_t attr, uint64_t value);
absl::StatusOr<uint32_t> GetAttrU32(AttributeTarget& target, uint32_t group, uint64_t attr);
absl::Status SetAttrU32(AttributeTarget& target, uint32_t group, uint64_t attr, uint32_t value);

}  // namespace firn

#endif  // FIRN_HYPERVISOR_DEVICE_H_
