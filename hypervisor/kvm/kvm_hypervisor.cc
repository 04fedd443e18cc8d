// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kvm_hypervisor.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/kick_signal.h"
#include "hypervisor/kvm/kvm_vm.h"

namespace firn::kvm {
namespace {

constexpr char kPath[] = "/dev/kvm";

struct NeededCapability {
  Capability capability;
  std::string_view name;
};

constexpr NeededCapability kNeeded[] = {
    {kCapUserMemory, "KVM_CAP_USER_MEMORY"},
    {kCapOneReg, "KVM_CAP_ONE_REG"},
    {kCapDeviceCtrl, "KVM_CAP_DEVICE_CTRL"},
    {kCapArmPsci02, "KVM_CAP_ARM_PSCI_0_2"},
    {kCapMpState, "KVM_CAP_MP_STATE"},
    {kCapImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"},
    {kCapIrqfd, "KVM_CAP_IRQFD"},
    {kCapIoeventfd, "KVM_CAP_IOEVENTFD"},
};

absl::Status OpenError(int error_number) {
  const absl::Status status = ErrnoStatus(error_number, absl::StrCat("open ", kPath));
  switch (error_number) {
    case ENOENT:
      return Suggest(status, "enable KVM in the kernel, or virtualization (EL2) in the firmware");
    case EACCES:
    case EPERM:
      return Suggest(status, "add the user to the group kvm, or run as root");
    case ENODEV:
    case ENXIO:
      return Suggest(status,
                     "the kernel has KVM, but did not start it: it was not booted at EL2, or has "
                     "kvm-arm.mode=none");
    default:
      return KvmError(error_number, absl::StrCat("open ", kPath));
  }
}

// A call that fails says nothing about the capability.
absl::StatusOr<int> Check(const KvmFd& kvm, Capability capability, std::string_view name) {
  return kvm.Ioctl(kCheckExtension, capability, name);
}

absl::Status CheckHost(const KvmFd& kvm) {
  const absl::StatusOr<int> version = kvm.Ioctl(kGetApiVersion, 0);
  if (!version.ok()) return Annotate(version.status(), kPath);
  if (*version != kApiVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        kPath, " has API version ", *version, ", firn needs ", kApiVersion, ": update the kernel"));
  }
  const absl::StatusOr<int> ipa_size = Check(kvm, kCapArmVmIpaSize, "KVM_CAP_ARM_VM_IPA_SIZE");
  if (!ipa_size.ok()) return ipa_size.status();
  if (*ipa_size == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        kPath,
        " has no KVM_CAP_ARM_VM_IPA_SIZE: it is not an arm64 machine's (it runs guests of "
        "its own kind only), or its kernel is older than Linux 4.20"));
  }
  for (const NeededCapability& needed : kNeeded) {
    const absl::StatusOr<int> value = Check(kvm, needed.capability, needed.name);
    if (!value.ok()) return value.status();
    if (*value > 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(kPath, " lacks ", needed.name, " (", static_cast<uint32_t>(needed.capability),
                     "), which firn needs: take Linux 6.1 or later, configured with it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvmHypervisor>> KvmHypervisor::Open(KvmCalls& calls) {
  const int fd = calls.Open(kPath);
  if (fd < 0) return OpenError(-fd);
  KvmFd kvm(calls, fd);
  if (absl::Status status = CheckHost(kvm); !status.ok()) return status;
  const absl::StatusOr<int> run_size = kvm.Ioctl(kGetVcpuMmapSize, 0);
  if (!run_size.ok()) return run_size.status();
  if (static_cast<size_t>(*run_size) < sizeof(RunPage)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "KVM_GET_VCPU_MMAP_SIZE: ", *run_size, " bytes, kvm_run has at least ", sizeof(RunPage)));
  }
  if (absl::Status status = InstallKickHandler(); !status.ok()) return status;
  return absl::WrapUnique(new KvmHypervisor(std::move(kvm), static_cast<size_t>(*run_size)));
}

int KvmHypervisor::CheckExtension(Capability capability) const {
  return fd_.Ioctl(kCheckExtension, capability).value_or(0);
}

absl::StatusOr<std::unique_ptr<Vm>> KvmHypervisor::CreateVm(int ipa_bits) {
  // The machine type of arm64 is the width of guest physical addresses.
  const absl::StatusOr<int> vm =
      fd_.Ioctl(kCreateVm, static_cast<uintptr_t>(ipa_bits), absl::StrCat(ipa_bits, " IPA bits"));
  if (!vm.ok()) {
    if (GetErrno(vm.status()) != EINVAL) return vm.status();
    return Suggest(vm.status(), absl::StrCat("this machine has at most ",
                                             CheckExtension(kCapArmVmIpaSize), " IPA bits"));
  }
  return std::make_unique<KvmVm>(KvmFd(fd_.calls(), *vm), run_size_);
}

}  // namespace firn::kvm
