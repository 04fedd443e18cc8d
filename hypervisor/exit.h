// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Why Vcpu::Run came back: kvm_run's exit reasons as a sum type.
// Source: Linux Documentation/virt/kvm/api.rst section 5.
#ifndef FIRN_HYPERVISOR_EXIT_H_
#define FIRN_HYPERVISOR_EXIT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/types/span.h"
#include "hypervisor/guest_address.h"

namespace firn {

// KVM_EXIT_MMIO: a load or store outside the memory slots. The answer to a load is put into
// `data` before the next Run; the access is complete only when Run was called again.
struct MmioExit {
  GuestAddress address;
  bool is_write = false;
  absl::Span<std::byte> data;  // 1, 2, 4 or 8 bytes, little-endian, valid until the next Run
};

// KVM_EXIT_SYSTEM_EVENT: what the guest asked of PSCI.
struct SystemEventExit {
  uint32_t type = 0;  // kvm::SystemEvent
};

// The vCPU was kicked, or a signal came (EINTR): nothing happened in the guest.
struct KickedExit {};

// The software hypervisor reached its instruction limit (Vm::SetInstructionLimit). KVM never does.
struct InstructionLimitExit {};

// KVM_EXIT_INTERNAL_ERROR, FAIL_ENTRY, ARM_NISV, MEMORY_FAULT: the guest cannot go on.
struct FailureExit {
  uint32_t reason = 0;  // kvm::ExitReason
  std::string detail;   // what the backend knows: suberror, faulting address, instruction
};

// A reason that firn does not know.
struct UnknownExit {
  uint32_t reason = 0;
};

// "KVM_EXIT_HYPERCALL" for 3; "an exit reason without a name" for one that is not in the kernel's
// interface as of Linux 7.4.
std::string_view ExitReasonName(uint32_t reason);

using Exit = std::variant<MmioExit, SystemEventExit, KickedExit, InstructionLimitExit, FailureExit,
                          UnknownExit>;

}  // namespace firn

#endif  // FIRN_HYPERVISOR_EXIT_H_
