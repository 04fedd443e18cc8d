// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/controller_choice.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/gicv3.h"
#include "arch-aarch64/gicv5.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

constexpr std::string_view kPpiOnlyReason =
    "not GICv5, because this kernel's GICv5 for guests has no SPIs and LPIs (Linux 7.4 has)";
constexpr std::string_view kNoGicv5Reason = "not GICv5, because this host has none for guests";

// That the host has it not; a call that failed with EBUSY is a FailedPrecondition too.
bool SaysMissing(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) && GetErrno(status) == 0;
}

template <typename Controller>
absl::StatusOr<ChosenController> Make(Vm& vm, const InterruptControllerConfig& config,
                                      std::string_view reason = {}) {
  absl::StatusOr<std::unique_ptr<Controller>> controller = Controller::Create(vm, config);
  if (!controller.ok()) return controller.status();
  return ChosenController{.controller = *std::move(controller), .reason = std::string(reason)};
}

// GICv5 was asked for and is not there. ENODEV is the answer of an old kernel and of an old
// machine alike.
absl::Status Gicv5Missing(Vm& vm) {
  const absl::StatusOr<bool> has_v3 = Gicv3::IsAvailable(vm);
  if (!has_v3.ok()) return has_v3.status();
  return absl::FailedPreconditionError(absl::StrCat(
      "--gic=v5: this host's KVM has no GICv5 for guests: either the machine has no GICv5, or its "
      "kernel is older than Linux 7.4 or in protected mode (pKVM)",
      *has_v3 ? "; it has a GICv3: use --gic=auto or v3" : "",
      "; the software hypervisor has a GICv5 on any machine"));
}

absl::StatusOr<ChosenController> MakeGicv5(Vm& vm, const InterruptControllerConfig& config) {
  if (SaysMissing(Gicv5::FindDeviceType(vm).status())) return Gicv5Missing(vm);
  absl::StatusOr<ChosenController> made = Make<Gicv5>(vm, config);
  if (SaysMissing(made.status()) && Gicv3::IsAvailable(vm).value_or(false)) {
    return Suggest(made.status(), "this host has a GICv3 too: use --gic=v3");
  }
  return made;
}

absl::StatusOr<ChosenController> ChooseAutomatically(Hypervisor& hypervisor, Vm& vm, int ipa_bits,
                                                     const InterruptControllerConfig& config) {
  const absl::StatusOr<uint32_t> v5 = Gicv5::FindDeviceType(vm);
  if (!v5.ok() && !SaysMissing(v5.status())) return v5.status();
  const absl::StatusOr<bool> has_v3 = Gicv3::IsAvailable(vm);
  if (!has_v3.ok()) return has_v3.status();
  if (!v5.ok()) {
    if (*has_v3) return Make<Gicv3>(vm, config, kNoGicv5Reason);
    return absl::FailedPreconditionError(
        "this host's KVM has neither a GICv5 nor a GICv3 for guests: its interrupt controller "
        "cannot be virtualized, or its kernel is too old for it");
  }
  // A VGICv5 that is made stays, so that where there is a choice it is looked at elsewhere.
  if (*has_v3) {
    const absl::StatusOr<Gicv5Support> support = ProbeGicv5(hypervisor, ipa_bits);
    if (!support.ok()) return support.status();
    if (*support == Gicv5Support::kPpiOnly) return Make<Gicv3>(vm, config, kPpiOnlyReason);
  }
  return Make<Gicv5>(vm, config);
}

}  // namespace

absl::StatusOr<Gicv5Support> ProbeGicv5(Hypervisor& hypervisor, int ipa_bits) {
  const absl::StatusOr<std::unique_ptr<Vm>> vm = hypervisor.CreateVm(ipa_bits);
  if (!vm.ok()) return vm.status();
  const absl::StatusOr<uint32_t> type = Gicv5::FindDeviceType(**vm);
  if (SaysMissing(type.status())) return Gicv5Support::kNone;
  if (!type.ok()) return type.status();
  const absl::StatusOr<Device*> device = (*vm)->CreateDevice(*type);
  if (!device.ok()) return Annotate(device.status(), "probing the GICv5");
  const absl::Status has_irs = (*device)->HasAttr(kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs);
  if (GetErrno(has_irs) == ENXIO) return Gicv5Support::kPpiOnly;
  if (!has_irs.ok()) return Annotate(has_irs, "probing the GICv5");
  // Before an address is set, only the merged interface knows the IRS's registers.
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = (*vm)->CreateVcpu(0);
  if (!vcpu.ok()) return Annotate(vcpu.status(), "probing the GICv5");
  const absl::Status has_registers = (*device)->HasAttr(kvm::kVgicGrpIrsRegs, 0);
  if (has_registers.ok()) return Gicv5Support::kMerged;
  if (GetErrno(has_registers) == ENXIO) return Gicv5Support::kSeries;
  return Annotate(has_registers, "probing the GICv5");
}

absl::StatusOr<ChosenController> CreateInterruptController(
    Hypervisor& hypervisor, Vm& vm, int ipa_bits, GicChoice choice,
    const InterruptControllerConfig& config) {
  switch (choice) {
    case GicChoice::kAuto:
      return ChooseAutomatically(hypervisor, vm, ipa_bits, config);
    case GicChoice::kV5:
      return MakeGicv5(vm, config);
    case GicChoice::kV3:
      return Make<Gicv3>(vm, config);
  }
  return absl::InternalError("no such GIC");
}

}  // namespace firn
