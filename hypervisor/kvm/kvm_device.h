// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam's Device over a file descriptor of KVM_CREATE_DEVICE.
#ifndef FIRN_HYPERVISOR_KVM_KVM_DEVICE_H_
#define FIRN_HYPERVISOR_KVM_KVM_DEVICE_H_

#include <string_view>

#include "hypervisor/device.h"
#include "hypervisor/kvm/kvm_fd.h"

namespace firn::kvm {

class KvmDevice final : public Device {
 public:
  KvmDevice(KvmFd fd, std::string_view name) : fd_(std::move(fd)), name_(name) {}

  absl::Status HasAttr(uint32_t group, uint64_t attr) override {
    return AttributeIoctl(fd_, kHasDeviceAttr, name_, group, attr, 0);
  }
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    return AttributeIoctl(fd_, kGetDeviceAttr, name_, group, attr, addr);
  }
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    return AttributeIoctl(fd_, kSetDeviceAttr, name_, group, attr, addr);
  }

 private:
  const KvmFd fd_;
  const std::string_view name_;  // static
};

// "ARM_VGIC_V3"; "device type" for one that firn does not know.
std::string_view DeviceTypeName(uint32_t type);

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KVM_DEVICE_H_
