// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/host_probe.h"

#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/memory_layout.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
KvmHost KvmHost::ThisMachine() {
  utsname names = {};
  uname(&names);
  return {.calls = kvm::SystemKvmCalls(), .machine = names.machine};
}

absl::StatusOr<std::unique_ptr<Hypervisor>> OpenKvm(const KvmHost& host) {
  if (host.machine != "aarch64") {
    return absl::FailedPreconditionError(
        absl::StrCat("this machine is ", host.machine,
                     ", whose KVM, if any, runs only guests of its own kind: an arm64 guest on KVM "
                     "needs an arm64 machine"));
  }
  return kvm::KvmHypervisor::Open(host.calls);
}

KvmProbe ProbeKvm(const KvmHost& host) {
  KvmProbe probe;
  const absl::StatusOr<std::unique_ptr<Hypervisor>> kvm = OpenKvm(host);
  if (!kvm.ok()) {
    probe.access = kvm.status();
    return probe;
  }
  probe.ipa_bits = (*kvm)->CheckExtension(kvm::kCapArmVmIpaSize);
  probe.max_vcpus = (*kvm)->CheckExtension(kvm::kCapMaxVcpus);
  const int ipa_bits = std::min(probe.ipa_bits, kDefaultIpaBits);
  const absl::StatusOr<std::unique_ptr<Vm>> vm = (*kvm)->CreateVm(ipa_bits);
  if (!vm.ok()) {
    probe.create_vm = vm.status();
    return probe;
  }
  probe.has_vgic_v3 = (*vm)->CreateDevice(kvm::kDevTypeArmVgicV3, /*test_only=*/true).ok();
  probe.gicv5 = ProbeGicv5(**kvm, ipa_bits);
  return probe;
}

bool KvmProbe::is_usable() const {
  if (!access.ok() || !create_vm.ok()) return false;
  return has_vgic_v3 ||
         (gicv5.ok() && (*gicv5 == Gicv5Support::kSeries || *gicv5 == Gicv5Support::kMerged));
}

std::string KvmProbe::Obstacle() const {
  if (!access.ok()) return std::string(access.message());
  if (!create_vm.ok()) return std::string(create_vm.message());
  if (is_usable()) return "";
  if (!gicv5.ok()) return std::string(gicv5.status().message());
  if (*gicv5 == Gicv5Support::kPpiOnly) {
    return "KVM's GICv5 for guests has PPIs alone (Linux 7.1 to 7.3), and Linux as a guest needs "
           "SPIs "
           "and LPIs: take Linux 7.4 or later";
  }
  return "KVM has neither VGICv5 nor VGICv3: this machine's interrupt controller cannot be "
         "virtualized, or its kernel is too old";
}

}  // namespace firn
