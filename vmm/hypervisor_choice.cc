// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/hypervisor_choice.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#ifdef FIRN_WITH_SOFTWARE
#include "hypervisor/software/software_hypervisor.h"
#endif

namespace firn {
namespace {

constexpr std::string_view kNoKvmBackend =
    "this build of firn has no KVM backend yet; use --hypervisor=software";

#ifdef FIRN_WITH_SOFTWARE

using software::SoftwareOptions;
using software::gicv5::Dialect;

Dialect ToDialect(SoftwareConfig::Dialect dialect) {
  switch (dialect) {
    case SoftwareConfig::Dialect::kPpiOnly:
      return Dialect::kPpiOnly;
    case SoftwareConfig::Dialect::kSeriesV1:
      return Dialect::kSeriesV1;
    case SoftwareConfig::Dialect::kSeriesV2:
      return Dialect::kSeriesV2;
    case SoftwareConfig::Dialect::kMerged:
      break;
  }
  return Dialect::kMerged;
}

absl::StatusOr<std::unique_ptr<Hypervisor>> OpenSoftware(const VmConfig& config) {
  if (config.gic == GicChoice::kV3) {
    return absl::InvalidArgumentError(
        "--gic=v3: the software hypervisor has a GICv5 only; use --gic=v5 or auto");
  }
  SoftwareOptions options;
  if (config.software.clock == SoftwareConfig::Clock::kReal) {
    options.clock = SoftwareOptions::Clock::kReal;
  }
  if (config.software.dialect) options.dialect = ToDialect(*config.software.dialect);
  options.stop_at = config.software.stop_at;
  absl::StatusOr<std::unique_ptr<Hypervisor>> software =
      software::CreateSoftwareHypervisor(options);
  if (!software.ok()) return Annotate(software.status(), "software hypervisor");
  if (config.software.seed && !(*software)->is_deterministic()) {
    return absl::InvalidArgumentError(
        "--seed makes a run repeatable, which --clock=real is not; leave one of them out");
  }
  return software;
}

#else

absl::StatusOr<std::unique_ptr<Hypervisor>> OpenSoftware(const VmConfig&) {
  return absl::FailedPreconditionError(
      "this build of firn has no software hypervisor; build it without "
      "--//hypervisor:software=false");
}

#endif

}  // namespace

bool HasSoftwareHypervisor() {
#ifdef FIRN_WITH_SOFTWARE
  return true;
#else
  return false;
#endif
}

absl::StatusOr<OpenedHypervisor> OpenHypervisor(const VmConfig& config, const KvmProbe& probe) {
  const std::string kvm_obstacle =
      probe.is_usable() ? std::string(kNoKvmBackend) : probe.Obstacle();
  if (config.hypervisor == HypervisorChoice::kKvm) {
    return absl::FailedPreconditionError(absl::StrCat("--hypervisor=kvm: ", kvm_obstacle));
  }
  absl::StatusOr<std::unique_ptr<Hypervisor>> software = OpenSoftware(config);
  if (!software.ok()) {
    if (config.hypervisor == HypervisorChoice::kAuto && !HasSoftwareHypervisor()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "no hypervisor: KVM: ", kvm_obstacle, "; software: ", software.status().message()));
    }
    return software.status();
  }
  OpenedHypervisor opened = {.hypervisor = *std::move(software), .reason = ""};
  if (config.hypervisor == HypervisorChoice::kAuto) {
    opened.reason = absl::StrCat("not KVM, because ", kvm_obstacle);
  }
  return opened;
}

}  // namespace firn
