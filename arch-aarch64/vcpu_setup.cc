// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_setup.h"

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

// EL1h (SP_EL1), with D, A, I and F masked.
constexpr uint64_t kBootPstate = 0x3c5;

}  // namespace

absl::Status InitVcpus(Vm& vm, absl::Span<Vcpu* const> vcpus, const VcpuFeatures& features) {
  const absl::StatusOr<kvm::VcpuInit> target = vm.PreferredTarget();
  if (!target.ok()) return target.status();
  for (Vcpu* vcpu : vcpus) {
    kvm::VcpuInit init = *target;
    init.features[0] |= 1u << kvm::kArmVcpuPsci02 | features.InitBits();
    if (vcpu != vcpus.front()) init.features[0] |= 1u << kvm::kArmVcpuPowerOff;
    if (absl::Status status = vcpu->Init(init); !status.ok()) {
      return Annotate(status, absl::StrCat("vCPU ", vcpu->id()));
    }
    if (absl::Status status = FinalizeVcpu(*vcpu, features); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SetBootRegisters(Vcpu& vcpu, GuestAddress entry, GuestAddress fdt) {
  const std::pair<uint64_t, uint64_t> registers[] = {
      {kvm::CoreX(0), fdt.value}, {kvm::CoreX(1), 0},          {kvm::CoreX(2), 0},
      {kvm::CoreX(3), 0},         {kvm::kCorePc, entry.value}, {kvm::kCorePstate, kBootPstate},
  };
  for (const auto& [id, value] : registers) {
    if (absl::Status status = SetRegisterU64(vcpu, id, value); !status.ok()) {
      return Annotate(status, absl::StrCat("boot registers of vCPU ", vcpu.id()));
    }
  }
  return absl::OkStatus();
}

}  // namespace firn
