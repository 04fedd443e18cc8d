// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A backend that can run guests: KVM, or the software hypervisor. Nothing above this header
// knows which (docs/design.md section 2).
#ifndef FIRN_HYPERVISOR_HYPERVISOR_H_
#define FIRN_HYPERVISOR_HYPERVISOR_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/vm.h"

namespace firn {

// Thread rules: every method may be called from any thread. A Hypervisor outlives its Vms.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // "kvm" or "software".
  virtual std::string_view name() const = 0;

  // True where a run repeats exactly: time, entropy and identity must then be fixed too.
  virtual bool is_deterministic() const = 0;

  // KVM_CHECK_EXTENSION on the system; 0 where absent.
  virtual int CheckExtension(kvm::Capability capability) const = 0;

  // KVM_CREATE_VM with guest physical addresses of `ipa_bits` (32 to 48).
  // Errors: EINVAL for a width that the host has not; ENOMEM; ENODEV.
  virtual absl::StatusOr<std::unique_ptr<Vm>> CreateVm(int ipa_bits) = 0;
};

}  // namespace firn

#endif  // FIRN_HYPERVISOR_HYPERVISOR_H_
