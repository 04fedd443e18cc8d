// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <string>

#include "absl/strings/str_cat.h"
#include "vmm/base/exit_status.h"
#include "vmm/commands/command.h"
#include "vmm/host_probe.h"
#include "vmm/hypervisor_choice.h"

namespace firn {
namespace {

constexpr FlagSpec kDoctorFlags[] = {kHelpFlag};

std::string Line(std::string_view what, bool good, std::string_view detail) {
  return absl::StrCat(good ? "[ok] " : "[no] ", what, ": ", detail, "\n");
}

std::string DescribeGicv5(const absl::StatusOr<Gicv5Support>& support) {
  constexpr std::string_view kWhat = "KVM GICv5";
  if (!support.ok()) return Line(kWhat, false, support.status().message());
  switch (*support) {
    case Gicv5Support::kNone:
      return Line(kWhat, false,
                  "no VGICv5: needs a machine with a GICv5, Linux 7.4 or later, and KVM not in "
                  "protected mode (pKVM)");
    case Gicv5Support::kPpiOnly:
      return Line(
          kWhat, false,
          "VGICv5 with PPIs alone: this kernel lacks the SPIs and LPIs that Linux needs as a "
          "guest; Linux 7.4 has them");
    case Gicv5Support::kSeries:
      return Line(kWhat, true,
                  "VGICv5 with SPIs and LPIs, in the interface of a series of before Linux 7.4");
    case Gicv5Support::kMerged:
      return Line(kWhat, true, "VGICv5 with SPIs and LPIs, in the interface of Linux 7.4");
  }
  return "";
}

std::string DescribeKvm(const KvmHost& host, const KvmProbe& probe) {
  std::string text = Line("machine", host.machine == "aarch64", host.machine);
  absl::StrAppend(&text, Line("KVM", probe.is_usable(),
                              probe.is_usable() ? "guests can run on it" : probe.Obstacle()));
  if (!probe.access.ok() || !probe.create_vm.ok()) return text;
  absl::StrAppend(
      &text, DescribeGicv5(probe.gicv5),
      Line("KVM GICv3", probe.has_vgic_v3, probe.has_vgic_v3 ? "VGICv3 is there" : "no VGICv3"),
      Line("KVM limits", true,
           absl::StrCat("guest physical addresses of ", probe.ipa_bits, " bits, ", probe.max_vcpus,
                        " vCPUs")));
  return text;
}

}  // namespace

std::string DoctorHelp() {
  return absl::StrCat(
      "Usage: firn doctor\n\n"
      "Says which hypervisors can run a guest on this machine, and what would have to change\n"
      "for the others. The exit status is 0 if one can, else 1.\n\n",
      FlagsHelp(kDoctorFlags),
      "\nExamples:\n"
      "  firn doctor\n"
      "  firn doctor && firn run --kernel Image\n");
}

int DoctorCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  const absl::StatusOr<Flags> flags = Flags::Parse(kDoctorFlags, arguments);
  if (!flags.ok()) return UsageError("doctor", flags.status().message());
  const KvmHost host = KvmHost::ThisMachine();
  std::string text = DescribeKvm(host, ProbeKvm(host));

  VmConfig software;
  software.hypervisor = HypervisorChoice::kSoftware;
  const absl::StatusOr<OpenedHypervisor> opened = OpenHypervisor(software, host);
  if (opened.ok()) {
    absl::StrAppend(
        &text, Line("software", true,
                    absl::StrCat("built in, and the Unicorn engine of this machine fits; GICv5 in "
                                 "every dialect, up to ",
                                 opened->hypervisor->CheckExtension(kvm::kCapMaxVcpus), " vCPUs")));
  } else {
    absl::StrAppend(&text, Line("software", false, opened.status().message()));
  }
  const absl::StatusOr<OpenedHypervisor> chosen = OpenHypervisor(VmConfig(), host);
  absl::StrAppend(&text, chosen.ok()
                             ? absl::StrCat("\nfirn run uses the ", chosen->hypervisor->name(),
                                            " hypervisor here.\n")
                             : "\nfirn run cannot run guests here.\n");
  const int status = PrintOutput(text);
  return status != kExitPowerOff || chosen.ok() ? status : static_cast<int>(kExitError);
}

}  // namespace firn
