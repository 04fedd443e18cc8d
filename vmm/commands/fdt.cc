// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/fdt.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/gicv3_fdt.h"
#include "arch-aarch64/gicv5_fdt.h"
#include "arch-aarch64/memory_layout.h"
#include "hypervisor/errno_status.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/commands/command.h"
#include "vmm/commands/fdt_text.h"
#include "vmm/commands/vm_flags.h"
#include "vmm/config/config.h"
#include "vmm/config/config_json.h"
#include "vmm/file_uses.h"
#include "vmm/machine/device_plan.h"
#include "vmm/machine/stats.h"

namespace firn {
namespace {

constexpr FlagSpec kFdtFlags[] = {
    {"dtb", "FILE", "write the blob to a file instead of text to stdout"},
};

absl::StatusOr<std::vector<std::byte>> Build(const VmConfig& config) {
  const absl::StatusOr<MemoryLayout> layout = MemoryLayout::Create(config.machine.memory_bytes);
  if (!layout.ok()) return layout.status();
  const absl::StatusOr<DevicePlan> plan = PlanDevices(config);
  if (!plan.ok()) return plan.status();
  const absl::StatusOr<FdtConfig> fdt = DescribeMachine(config, *plan);
  if (!fdt.ok()) return fdt.status();
  if (config.gic == GicChoice::kV3) return BuildFdt(*fdt, *layout, Gicv3Fdt(/*has_its=*/true));
  return BuildFdt(*fdt, *layout, Gicv5Fdt(kInterruptControllerRegion.base()));
}

absl::StatusOr<VmConfig> ReadConfig(const Flags& flags) {
  const auto path = flags.Get("config");
  if (!path) return VmConfig();
  return LoadConfigFile(std::string(*path));
}

}  // namespace

std::string FdtHelp() {
  return absl::StrCat(
      "Usage: firn fdt [FLAGS]\n\n"
      "Prints the device tree that the guest of a configuration gets, as source text. It needs\n"
      "neither kernel nor disks. What only a run knows is left out: the seeds of random\n"
      "numbers, where the initrd is, and what depends on the host: a PMU; the interrupt\n"
      "controller is the one of --gic, a GICv5 for auto, a GICv3 with its ITS for v3.\n\n",
      FlagsHelp(WithVmFlags(kFdtFlags)),
      "\nExamples:\n"
      "  firn fdt --cpus 4 --memory 1G\n"
      "  firn fdt --gic=v3 --cpus 2\n"
      "  firn fdt --config vm.json --dtb vm.dtb\n");
}

int FdtCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  const std::vector<FlagSpec> specs = WithVmFlags(kFdtFlags);
  const absl::StatusOr<Flags> flags = Flags::Parse(specs, arguments);
  if (!flags.ok()) return UsageError("fdt", flags.status().message());
  absl::StatusOr<VmConfig> config = ReadConfig(*flags);
  if (!config.ok()) {
    PrintError(config.status());
    return kExitError;
  }
  absl::Status status = ApplyVmFlags(*flags, *config);
  if (!status.ok()) return UsageError("fdt", status.message());
  status = Validate(*config, /*needs_kernel=*/false);
  if (!status.ok()) {
    PrintError(status);
    return kExitError;
  }
  const absl::StatusOr<std::vector<std::byte>> blob = Build(*config);
  if (!blob.ok()) {
    PrintError(blob.status());
    return kExitError;
  }
  if (const auto path = flags->Get("dtb")) {
    std::vector<FileUse> inputs = InputsOf(*config);
    if (const auto from = flags->Get("config")) {
      inputs.push_back({"the configuration", std::string(*from)});
    }
    status = CheckFilesAreApart(inputs, {{"--dtb", std::string(*path)}});
    if (!status.ok()) {
      PrintError(status);
      return kExitError;
    }
    status = WriteFileAtomically(std::string(*path),
                                 {reinterpret_cast<const char*>(blob->data()), blob->size()});
    if (status.ok()) return kExitPowerOff;
    PrintError(Annotate(status, "--dtb"));
    return kExitError;
  }
  const absl::StatusOr<std::string> text = FdtToText(*blob);
  if (!text.ok()) {
    PrintError(text.status());
    return kExitError;
  }
  return PrintOutput(*text);
}

}  // namespace firn
