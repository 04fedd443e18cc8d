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

// The setting that only the software hypervisor understands, as its flag; empty for none.
std::string_view SoftwareSetting(const SoftwareConfig& software) {
  if (software.clock) return "--clock";
  if (software.dialect) return "--dialect";
  if (software.seed) return "--seed";
  if (software.stop_at) return "--stop-at";
  return {};
}

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

absl::StatusOr<OpenedHypervisor> OpenHypervisor(const VmConfig& config, const KvmHost& host) {
  const bool is_auto = config.hypervisor == HypervisorChoice::kAuto;
  const std::string_view software_setting = SoftwareSetting(config.software);
  const bool may_be_kvm = config.hypervisor == HypervisorChoice::kKvm ||
                          (is_auto && (software_setting.empty() || !HasSoftwareHypervisor()));
  std::string obstacle = absl::StrCat(software_setting, " needs the software hypervisor");
  if (may_be_kvm && !software_setting.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(obstacle, ", and this run is on KVM"));
  }
  if (may_be_kvm) {
    absl::StatusOr<std::unique_ptr<Hypervisor>> kvm = OpenKvm(host);
    if (kvm.ok()) return OpenedHypervisor{.hypervisor = *std::move(kvm), .reason = ""};
    if (!is_auto) return Annotate(kvm.status(), "--hypervisor=kvm");
    obstacle = kvm.status().message();
  }
  absl::StatusOr<std::unique_ptr<Hypervisor>> software = OpenSoftware(config);
  if (!software.ok()) {
    if (!is_auto || HasSoftwareHypervisor()) return software.status();
    return absl::FailedPreconditionError(absl::StrCat("no hypervisor: KVM: ", obstacle,
                                                      "; software: ", software.status().message()));
  }
  OpenedHypervisor opened = {.hypervisor = *std::move(software), .reason = ""};
  if (is_auto) opened.reason = absl::StrCat("not KVM, because ", obstacle);
  return opened;
}

}  // namespace firn
