// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/software_hypervisor.h"

#include <cerrno>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/engine.h"
#include "hypervisor/software/machine.h"
#include "hypervisor/software/software_vm.h"

namespace firn::software {
namespace {

class SoftwareHypervisor : public Hypervisor {
 public:
  SoftwareHypervisor(const SoftwareOptions& options, const EngineLayout& layout)
      : options_(options), layout_(layout) {}

  std::string_view name() const override { return "software"; }
  bool is_deterministic() const override {
    return options_.clock == SoftwareOptions::Clock::kVirtual;
  }
  int CheckExtension(kvm::Capability capability) const override {
    return CheckSoftwareExtension(capability);
  }
  absl::StatusOr<std::unique_ptr<Vm>> CreateVm(int ipa_bits) override {
    constexpr int kMinIpaBits = 32;
    if (ipa_bits == 0) ipa_bits = kIpaBits;
    if (ipa_bits < kMinIpaBits || ipa_bits > kIpaBits) return ErrnoStatus(EINVAL, "KVM_CREATE_VM");
    absl::StatusOr<std::unique_ptr<Machine>> machine = Machine::Create(options_, layout_, ipa_bits);
    if (!machine.ok()) return machine.status();
    return std::make_unique<SoftwareVm>(*std::move(machine));
  }

 private:
  const SoftwareOptions options_;
  const EngineLayout layout_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Hypervisor>> CreateSoftwareHypervisor(
    const SoftwareOptions& options) {
  // It is the same for all engines of the process.
  static const auto* const kLayout = new absl::StatusOr<EngineLayout>(Engine::Calibrate());
  if (!kLayout->ok()) return kLayout->status();
  return std::make_unique<SoftwareHypervisor>(options, **kLayout);
}

}  // namespace firn::software
