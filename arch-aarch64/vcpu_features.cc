// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_features.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

absl::Span<std::byte> BytesOf(SveVectorLengths& lengths) {
  return absl::MakeSpan(reinterpret_cast<std::byte*>(lengths.data()), sizeof(lengths));
}

absl::Status SetVectorLengths(Vcpu& vcpu, const VcpuFeatures& features) {
  SveVectorLengths lengths = features.sve_vector_lengths.value_or(SveVectorLengths{});
  if (!features.sve_vector_lengths) {
    absl::Status status = vcpu.GetRegister(kvm::kSveVectorLengths, BytesOf(lengths));
    if (!status.ok()) return status;
  }
  if (std::all_of(lengths.begin(), lengths.end(), [](uint64_t word) { return word == 0; })) {
    return absl::FailedPreconditionError("SVE without a vector length");
  }
  if (!features.sve_vector_lengths) return absl::OkStatus();
  return vcpu.SetRegister(kvm::kSveVectorLengths, BytesOf(lengths));
}

}  // namespace

uint32_t VcpuFeatures::InitBits() const {
  uint32_t bits = 0;
  if (pauth) bits |= 1u << kvm::kArmVcpuPtrauthAddress | 1u << kvm::kArmVcpuPtrauthGeneric;
  if (sve) bits |= 1u << kvm::kArmVcpuSve;
  if (pmu) bits |= 1u << kvm::kArmVcpuPmuV3;
  return bits;
}

VcpuFeatures ProbeVcpuFeatures(const Vm& vm) {
  // KVM takes the two kinds of pointer authentication together or not at all.
  return {.pauth = vm.CheckExtension(kvm::kCapArmPtrauthAddress) > 0 &&
                   vm.CheckExtension(kvm::kCapArmPtrauthGeneric) > 0,
          .sve = vm.CheckExtension(kvm::kCapArmSve) > 0,
          .pmu = vm.CheckExtension(kvm::kCapArmPmuV3) > 0};
}

absl::Status FinalizeVcpu(Vcpu& vcpu, const VcpuFeatures& features) {
  if (!features.sve) return absl::OkStatus();
  // The lengths can be set until then, and must be before any other register of SVE.
  absl::Status status = SetVectorLengths(vcpu, features);
  if (status.ok()) status = vcpu.Finalize(kvm::kArmVcpuSve);
  return Annotate(status, absl::StrCat("SVE of vCPU ", vcpu.id()));
}

absl::Status InitPmu(absl::Span<Vcpu* const> vcpus, const InterruptController& controller) {
  for (Vcpu* vcpu : vcpus) {
    absl::Status status = SetAttrU32(*vcpu, kvm::kVcpuPmuV3Ctrl, kvm::kVcpuPmuV3Irq,
                                     controller.PpiAttribute(kPmuIntid));
    if (status.ok()) status = vcpu->SetAttr(kvm::kVcpuPmuV3Ctrl, kvm::kVcpuPmuV3Init, 0);
    if (!status.ok()) return Annotate(status, absl::StrCat("PMU of vCPU ", vcpu->id()));
  }
  return absl::OkStatus();
}

}  // namespace firn
