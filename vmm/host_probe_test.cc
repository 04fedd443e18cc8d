// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/host_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <cerrno>
#include <set>

#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

// A machine to probe; open_fds shows that nothing is left open.
struct FakeHost {
  std::string machine = "aarch64";
  int open_errno = 0;
  int api_version = 12;
  int create_vm_errno = 0;
  int ipa_bits = 48;
  std::set<uint32_t> devices = {kvm::kDevTypeArmVgicV5, kvm::kDevTypeArmVgicV3};
  int open_fds = 0;
  unsigned long vm_type = ~0ul;

  HostCalls calls() {
    return {.open =
                [this](const char* path) {
                  EXPECT_STREQ(path, "/dev/kvm");
                  return Open(open_errno);
                },
            .ioctl = [this](int, unsigned long request,
                            void* argument) { return Ioctl(request, argument); },
            .close = [this](int) { --open_fds; },
            .machine = machine};
  }

 private:
  int Open(int error) {
    if (error != 0) {
      errno = error;
      return -1;
    }
    return 100 + open_fds++;
  }
  int Ioctl(unsigned long request, void* argument) {
    switch (request) {
      case KVM_GET_API_VERSION:
        return api_version;
      case KVM_CHECK_EXTENSION:
        return reinterpret_cast<uintptr_t>(argument) == kvm::kCapArmVmIpaSize ? ipa_bits : 512;
      case KVM_CREATE_VM:
        vm_type = reinterpret_cast<uintptr_t>(argument);
        return Open(create_vm_errno);
      case KVM_CREATE_DEVICE: {
        const auto* device = static_cast<kvm_create_device*>(argument);
        EXPECT_EQ(device->flags, uint32_t{KVM_CREATE_DEVICE_TEST});
        if (devices.contains(device->type)) return 0;
        errno = ENODEV;
        return -1;
      }
    }
    ADD_FAILURE() << "unexpected ioctl " << request;
    return -1;
  }
};

TEST(HostProbeTest, Gicv5Host) {
  FakeHost host;
  const KvmProbe probe = ProbeKvm(host.calls());
  EXPECT_TRUE(probe.is_usable());
  EXPECT_TRUE(probe.has_vgic_v5);
  EXPECT_TRUE(probe.has_vgic_v3);
  EXPECT_EQ(probe.ipa_bits, 48);
  EXPECT_EQ(probe.max_vcpus, 512);
  EXPECT_EQ(probe.Obstacle(), "");
  EXPECT_EQ(host.open_fds, 0);
}

TEST(HostProbeTest, EarlyDeviceNumberCounts) {
  FakeHost host;
  host.devices = {kvm::kDevTypeArmVgicV5Early};
  EXPECT_TRUE(ProbeKvm(host.calls()).has_vgic_v5);
}

TEST(HostProbeTest, SmallIpaSizeIsAskedFor) {
  FakeHost host;
  host.ipa_bits = 36;
  EXPECT_TRUE(ProbeKvm(host.calls()).is_usable());
  EXPECT_EQ(host.vm_type, 36u);
}

TEST(HostProbeTest, X86KvmIsNoUse) {
  FakeHost host;
  host.machine = "x86_64";
  const KvmProbe probe = ProbeKvm(host.calls());
  EXPECT_FALSE(probe.is_usable());
  EXPECT_THAT(probe.Obstacle(), HasSubstr("this machine is x86_64"));
  EXPECT_THAT(probe.Obstacle(), HasSubstr("needs an arm64 machine"));
  EXPECT_EQ(host.vm_type, ~0ul);
  EXPECT_EQ(host.open_fds, 0);
}

TEST(HostProbeTest, MissingKvmSaysWhatToDo) {
  FakeHost host;
  host.open_errno = ENOENT;
  EXPECT_THAT(ProbeKvm(host.calls()).Obstacle(), HasSubstr("enable KVM"));
  host.open_errno = EACCES;
  EXPECT_THAT(ProbeKvm(host.calls()).Obstacle(), HasSubstr("group kvm"));
  host.open_errno = EIO;
  EXPECT_THAT(ProbeKvm(host.calls()).Obstacle(), HasSubstr("EIO"));
}

TEST(HostProbeTest, OtherFailuresAreTold) {
  FakeHost host;
  host.api_version = 11;
  EXPECT_THAT(ProbeKvm(host.calls()).Obstacle(), HasSubstr("API version 11"));
  EXPECT_EQ(host.open_fds, 0);
  host = FakeHost();
  host.create_vm_errno = EBUSY;
  EXPECT_THAT(ProbeKvm(host.calls()).Obstacle(), HasSubstr("EBUSY"));
  host = FakeHost();
  host.devices.clear();
  EXPECT_THAT(ProbeKvm(host.calls()).Obstacle(), HasSubstr("neither VGICv5 nor VGICv3"));
}

TEST(HostProbeTest, ThisMachineCanBeProbed) {
  const KvmProbe probe = ProbeKvm(HostCalls::Real());
  EXPECT_NE(probe.machine, "");
  EXPECT_EQ(probe.is_usable(), probe.Obstacle().empty());
}

}  // namespace
}  // namespace firn
