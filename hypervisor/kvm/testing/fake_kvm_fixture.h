// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Raw calls to a FakeKvm, as a program makes them that may be wrong. Results are the kernel's: 0 or
// more, or an errno, negative. One thread.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAKE_KVM_FIXTURE_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAKE_KVM_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_kvm.h"
#include "hypervisor/software/software_hypervisor.h"

namespace firn::kvm::testing {

class FakeKvmTest : public ::testing::Test {
 protected:
  explicit FakeKvmTest(FakeHost host = Gicv5Host()) : kernel_(std::move(host), *software_) {
    kvm_ = kernel_.Open("/dev/kvm");
    EXPECT_GE(kvm_, 0);
    vm_ = kernel_.Ioctl(kvm_, kCreateVm, 40);
    EXPECT_GE(vm_, 0);
  }

  template <typename T>
  int Call(int fd, uint32_t request, T& argument) {
    return kernel_.Ioctl(fd, request, reinterpret_cast<uintptr_t>(&argument));
  }
  int Create(uint32_t type, uint32_t flags = 0) {
    struct CreateDevice device = {.type = type, .fd = 0, .flags = flags};
    const int result = Call(vm_, kCreateDevice, device);
    return result < 0 || flags != 0 ? result : static_cast<int>(device.fd);
  }
  int Attribute(int fd, uint32_t request, uint32_t group, uint64_t attr, uintptr_t addr = 0,
                uint32_t flags = 0) {
    DeviceAttr argument = {.flags = flags, .group = group, .attr = attr, .addr = addr};
    return Call(fd, request, argument);
  }
  template <typename T>
  int Set(int fd, uint32_t group, uint64_t attr, T value) {
    return Attribute(fd, kSetDeviceAttr, group, attr, reinterpret_cast<uintptr_t>(&value));
  }
  int NewVcpu(uint32_t id) { return kernel_.Ioctl(vm_, kCreateVcpu, id); }
  int Init(int vcpu, uint32_t features = 1u << kArmVcpuPsci02) {
    VcpuInit init = {.target = kArmTargetGenericV8, .features = {features}};
    return Call(vcpu, kArmVcpuInit, init);
  }

  const std::unique_ptr<Hypervisor> software_ = *software::CreateSoftwareHypervisor();
  FakeKvm kernel_;
  int kvm_ = -1;
  int vm_ = -1;
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAKE_KVM_FIXTURE_H_
