// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a monitor asks of the hypervisor to bring a guest up, in its order, without the monitor:
// the seam and arch-aarch64 alone.
#ifndef FIRN_TESTS_KVM_CALLS_BOOT_SEQUENCE_H_
#define FIRN_TESTS_KVM_CALLS_BOOT_SEQUENCE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "arch-aarch64/interrupt_controller.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_calls.h"

namespace firn::kvm::testing {

struct BootPlan {
  enum class Gic { kV5, kV3 };
  Gic gic = Gic::kV5;
  uint32_t vcpus = 1;
};

// What a boot has made. It goes in the order in which a machine's parts go: vCPUs before the VM.
struct BootedGuest {
  std::unique_ptr<GuestMemory> memory;
  std::unique_ptr<Hypervisor> hypervisor;
  std::vector<EventFd> events;
  std::unique_ptr<Vm> vm;
  std::unique_ptr<InterruptController> interrupt_controller;
  std::vector<std::unique_ptr<Vcpu>> vcpus;
};

// Opens KVM, makes a VM of 4 MiB at 0x40000000 with its interrupt controller and vCPUs, with an
// irqfd, an irqfd with resample, and two ioeventfds, and sets the boot registers. The status of
// the first call that fails.
absl::Status Boot(KvmCalls& calls, const BootPlan& plan, BootedGuest& guest);

// The first KVM_RUN of the only vCPU, up to the guest's store to a device, and its completion.
// DeadlineExceeded where Run is kicked a hundred times.
absl::Status FirstRun(BootedGuest& guest);

}  // namespace firn::kvm::testing

#endif  // FIRN_TESTS_KVM_CALLS_BOOT_SEQUENCE_H_
