// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What this machine's /dev/kvm can do for an arm64 guest.
#ifndef FIRN_VMM_HOST_PROBE_H_
#define FIRN_VMM_HOST_PROBE_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace firn {

// The system calls of a probe, so that tests can play any machine. Results as of the calls
// themselves: -1 and errno.
struct HostCalls {
  std::function<int(const char* path)> open;
  std::function<int(int fd, unsigned long request, void* argument)> ioctl;
  std::function<void(int fd)> close;
  std::string machine;  // uname -m

  static HostCalls Real();
};

struct KvmProbe {
  std::string machine;
  bool is_arm64 = false;
  absl::Status access;  // of opening /dev/kvm, and its API version
  // On arm64, with access:
  absl::Status create_vm;
  int ipa_bits = 0;
  int max_vcpus = 0;
  bool has_vgic_v5 = false;
  bool has_vgic_v3 = false;

  // Whether an arm64 guest can run: GICv5 or GICv3 is there.
  bool is_usable() const {
    return is_arm64 && access.ok() && create_vm.ok() && (has_vgic_v5 || has_vgic_v3);
  }
  // Where it is not usable: why, and what would have to change. One line.
  std::string Obstacle() const;
};

// Makes a VM without memory and takes it away again.
KvmProbe ProbeKvm(const HostCalls& calls);

}  // namespace firn

#endif  // FIRN_VMM_HOST_PROBE_H_
