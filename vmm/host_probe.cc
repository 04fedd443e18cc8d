// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/host_probe.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

constexpr int kApiVersion = 12;  // the only one, since Linux 2.6.22

bool HasDevice(const HostCalls& calls, int vm, uint32_t type) {
  kvm_create_device device = {.type = type, .fd = 0, .flags = KVM_CREATE_DEVICE_TEST};
  return calls.ioctl(vm, KVM_CREATE_DEVICE, &device) == 0;
}

void* AsArgument(uintptr_t value) { return reinterpret_cast<void*>(value); }

void ProbeVm(const HostCalls& calls, int kvm, KvmProbe& probe) {
  probe.ipa_bits = calls.ioctl(kvm, KVM_CHECK_EXTENSION, AsArgument(firn::kvm::kCapArmVmIpaSize));
  probe.max_vcpus = calls.ioctl(kvm, KVM_CHECK_EXTENSION, AsArgument(firn::kvm::kCapMaxVcpus));
  // The machine type is the IPA size; 0 stands for 40 bits.
  const int type = probe.ipa_bits > 0 && probe.ipa_bits < 40 ? probe.ipa_bits : 0;
  const int vm = calls.ioctl(kvm, KVM_CREATE_VM, AsArgument(static_cast<uintptr_t>(type)));
  if (vm < 0) {
    probe.create_vm = ErrnoStatus(errno, "KVM_CREATE_VM");
    return;
  }
  probe.has_vgic_v5 = HasDevice(calls, vm, firn::kvm::kDevTypeArmVgicV5) ||
                      HasDevice(calls, vm, firn::kvm::kDevTypeArmVgicV5Early);
  probe.has_vgic_v3 = HasDevice(calls, vm, firn::kvm::kDevTypeArmVgicV3);
  calls.close(vm);
}

}  // namespace

HostCalls HostCalls::Real() {
  utsname names = {};
  uname(&names);
  return {.open = [](const char* path) { return ::open(path, O_RDWR | O_CLOEXEC); },
          .ioctl = [](int fd, unsigned long request,
                      void* argument) { return ::ioctl(fd, request, argument); },
          .close = [](int fd) { ::close(fd); },
          .machine = names.machine};
}

KvmProbe ProbeKvm(const HostCalls& calls) {
  KvmProbe probe;
  probe.machine = calls.machine;
  probe.is_arm64 = calls.machine == "aarch64";
  const int kvm = calls.open("/dev/kvm");
  if (kvm < 0) {
    probe.access = ErrnoStatus(errno, "open /dev/kvm");
    return probe;
  }
  const int version = calls.ioctl(kvm, KVM_GET_API_VERSION, nullptr);
  if (version != kApiVersion) {
    probe.access = absl::FailedPreconditionError(
        absl::StrCat("/dev/kvm has API version ", version, ", not ", kApiVersion));
  } else if (probe.is_arm64) {
    ProbeVm(calls, kvm, probe);
  }
  calls.close(kvm);
  return probe;
}

std::string KvmProbe::Obstacle() const {
  if (!is_arm64) {
    return absl::StrCat("this machine is ", machine,
                        access.ok() ? ", and its /dev/kvm runs only guests of its own kind" : "",
                        ": KVM needs an arm64 machine");
  }
  if (!access.ok()) {
    switch (GetErrno(access)) {
      case ENOENT:
        return "there is no /dev/kvm: enable KVM in the kernel, or virtualization (EL2) in the "
               "firmware";
      case EACCES:
      case EPERM:
        return "no permission for /dev/kvm: add the user to the group kvm, or run as root";
      default:
        return std::string(access.message());
    }
  }
  if (!create_vm.ok()) return std::string(create_vm.message());
  if (!has_vgic_v5 && !has_vgic_v3) {
    return "KVM has neither VGICv5 nor VGICv3: this machine's interrupt controller cannot be "
           "virtualized, or its kernel is too old";
  }
  return "";
}

}  // namespace firn
