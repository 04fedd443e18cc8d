// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// This machine's KVM: opening it, and what it can do for an arm64 guest.
#ifndef FIRN_VMM_HOST_PROBE_H_
#define FIRN_VMM_HOST_PROBE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/controller_choice.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_calls.h"

namespace firn {

// The machine to look at, so that tests can play any.
struct KvmHost {
  kvm::KvmCalls& calls;
  std::string machine;  // uname -m

  static KvmHost ThisMachine();
};

// KVM, where this is an arm64 machine that has it. Errors are one line, and say what would have
// to change. An x86-64 machine has a /dev/kvm too, which creates VMs and cannot run this guest.
absl::StatusOr<std::unique_ptr<Hypervisor>> OpenKvm(const KvmHost& host);

struct KvmProbe {
  absl::Status access;  // of OpenKvm
  // With access:
  absl::Status create_vm;
  int ipa_bits = 0;
  int max_vcpus = 0;
  // With create_vm:
  absl::StatusOr<Gicv5Support> gicv5 = Gicv5Support::kNone;
  bool has_vgic_v3 = false;

  // Whether Linux can run as a guest: a GICv5 with SPIs and LPIs, or a GICv3 is there.
  bool is_usable() const;
  // Where it is not usable: why, and what would have to change. One line.
  std::string Obstacle() const;
};

// Makes VMs without memory and takes them away again.
KvmProbe ProbeKvm(const KvmHost& host);

}  // namespace firn

#endif  // FIRN_VMM_HOST_PROBE_H_
