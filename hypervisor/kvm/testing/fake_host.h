// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The host that FakeKvm plays: an arm64 machine and its kernel.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAKE_HOST_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAKE_HOST_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "hypervisor/kvm/ioctls.h"

namespace firn::kvm::testing {

// KVM_CHECK_EXTENSION of an arm64 kernel; what is not in a map is absent, 0.
using Capabilities = std::map<uint32_t, int>;
Capabilities Arm64Capabilities();
// An x86-64 kernel: KVM works, the capabilities of arm64 are 0.
Capabilities X86Capabilities();

struct FakeHost {
  // The errno of opening /dev/kvm: ENOENT where the kernel has no KVM, EACCES without permission.
  int open_error = 0;
  int api_version = kApiVersion;
  bool is_x86 = false;
  Capabilities capabilities = Arm64Capabilities();
  size_t page_size = 4096;
  // File descriptors that the process may have from KVM.
  size_t fd_limit = 1024;

  // The device type of VGICv5, where the host has it: kDevTypeArmVgicV5 or kDevTypeArmVgicV5Early.
  // Its dialect is that of the Hypervisor behind.
  std::optional<uint32_t> vgic_v5 = {};
  bool has_vgic_v3 = false;
  bool has_its = false;
};

// Hosts by their interrupt controller.
FakeHost Gicv5Host();
FakeHost Gicv3Host();
FakeHost X86Host();

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAKE_HOST_H_
