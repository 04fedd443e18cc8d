// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam's Hypervisor over /dev/kvm of an arm64 host.
// Source: Linux Documentation/virt/kvm/api.rst.
#ifndef FIRN_HYPERVISOR_KVM_KVM_HYPERVISOR_H_
#define FIRN_HYPERVISOR_KVM_KVM_HYPERVISOR_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_calls.h"
#include "hypervisor/kvm/kvm_fd.h"

namespace firn::kvm {

class KvmHypervisor final : public Hypervisor {
 public:
  // Opens /dev/kvm and sees that it has all that firn needs. `calls` outlives the hypervisor.
  // Takes SIGRTMIN of this process for kicks. Errors say what to do: those of opening (with
  // errno), FailedPrecondition for another architecture's KVM, another API version, or a
  // capability that is missing (named).
  static absl::StatusOr<std::unique_ptr<KvmHypervisor>> Open(KvmCalls& calls = SystemKvmCalls());

  std::string_view name() const override { return "kvm"; }
  bool is_deterministic() const override { return false; }
  int CheckExtension(Capability capability) const override;
  absl::StatusOr<std::unique_ptr<Vm>> CreateVm(int ipa_bits) override;

 private:
  KvmHypervisor(KvmFd fd, size_t run_size) : fd_(std::move(fd)), run_size_(run_size) {}

  const KvmFd fd_;
  const size_t run_size_;  // KVM_GET_VCPU_MMAP_SIZE
};

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KVM_HYPERVISOR_H_
