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
namespace {

bool HasDevice(Vm& vm, kvm::DeviceType type) {
  return vm.CreateDevice(type, /*test_only=*/true).ok();
}

}  // namespace

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
  const absl::StatusOr<std::unique_ptr<Vm>> vm =
      (*kvm)->CreateVm(std::min(probe.ipa_bits, kDefaultIpaBits));
  if (!vm.ok()) {
    probe.create_vm = vm.status();
    return probe;
  }
  probe.has_vgic_v5 =
      HasDevice(**vm, kvm::kDevTypeArmVgicV5) || HasDevice(**vm, kvm::kDevTypeArmVgicV5Early);
  probe.has_vgic_v3 = HasDevice(**vm, kvm::kDevTypeArmVgicV3);
  return probe;
}

std::string KvmProbe::Obstacle() const {
  if (!access.ok()) return std::string(access.message());
  if (!create_vm.ok()) return std::string(create_vm.message());
  if (!has_vgic_v5 && !has_vgic_v3) {
    return "KVM has neither VGICv5 nor VGICv3: this machine's interrupt controller cannot be "
           "virtualized, or its kernel is too old";
  }
  return "";
}

}  // namespace firn
