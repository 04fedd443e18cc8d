// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/vm_flags.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "hypervisor/errno_status.h"
#include "vmm/commands/command.h"

namespace firn {
namespace {

constexpr FlagSpec kVmFlags[] = {
    {"config", "FILE",
     "read the configuration from a JSON file with Firecracker's keys;\n"
     "flags go over what it says"},
    {"kernel", "PATH", "arm64 kernel: Image, also as gzip or zstd, or an EFI zboot vmlinuz"},
    {"initrd", "PATH", "initial RAM file system"},
    {"cmdline", "TEXT",
     "kernel command line\n"
     "(default: console=ttyS0 earlycon panic=-1)"},
    {"cpus", "N", "number of vCPUs (default 1; software: at most 8)"},
    {"memory", "SIZE", "guest memory, as 256M or 1G; a plain number is MiB (default 256M)"},
    {"disk", "PATH[,ro]", "a raw disk image, as /dev/vda, vdb, …; ,ro: read-only; repeatable",
     /*repeatable=*/true},
    {"hypervisor", "NAME",
     "auto, kvm or software (default auto: KVM where it can run the guest,\n"
     "else software)"},
    {"gic", "VERSION", "auto, v5 or v3 (default auto)"},
    {"console", "WHERE",
     "stdio, off, or a file (default stdio). Output of the serial port\n"
     "(ttyS0) and of the virtio console (hvc0) goes there"},
    {"console-device", "NAME", "which of them gets the input: serial or virtio (default serial)"},
    {"on-reboot", "WHAT", "restart or exit, with status 4 (default restart)"},
    {"clock", "KIND",
     "software only: virtual (time is counted in instructions, and a run\n"
     "repeats exactly) or real (default virtual)"},
    {"seed", "N",
     "software with a virtual clock: the seed of the guest's random numbers\n"
     "(default 0)"},
    {"stop-at", "N",
     "software only: stop after N instructions and those to the next branch,\n"
     "with status 5; counted from each boot"},
    {"dialect", "NAME",
     "software only: VGICv5's interface as in Linux 7.1 to 7.3 (a), in its\n"
     "two postings (b1, b), or in Linux 7.4 (c, the default)"},
};

// Reads the value of a flag, where it is given, into `value`.
template <typename T, typename V>
absl::Status Read(const Flags& flags, std::string_view name,
                  absl::StatusOr<T> (*parse)(std::string_view), V& value) {
  const std::optional<std::string_view> text = flags.Get(name);
  if (!text) return absl::OkStatus();
  const absl::StatusOr<T> parsed = parse(*text);
  if (!parsed.ok()) return Annotate(parsed.status(), absl::StrCat("--", name));
  value = *parsed;
  return absl::OkStatus();
}

// "PATH", "PATH,ro" or "PATH,rw".
void AddDisk(std::string_view text, VmConfig& config) {
  DriveConfig drive;
  drive.is_read_only = absl::ConsumeSuffix(&text, ",ro");
  if (!drive.is_read_only) absl::ConsumeSuffix(&text, ",rw");
  drive.drive_id = absl::StrCat("disk", config.drives.size());
  drive.path_on_host = text;
  config.drives.push_back(std::move(drive));
}

}  // namespace

absl::Span<const FlagSpec> VmFlags() { return kVmFlags; }

std::vector<FlagSpec> WithVmFlags(absl::Span<const FlagSpec> more) {
  std::vector<FlagSpec> all(std::begin(kVmFlags), std::end(kVmFlags));
  all.insert(all.end(), more.begin(), more.end());
  all.push_back(kHelpFlag);
  return all;
}

absl::Status ApplyVmFlags(const Flags& flags, VmConfig& config) {
  if (const auto path = flags.Get("kernel")) config.boot_source.kernel_image_path = *path;
  if (const auto path = flags.Get("initrd")) config.boot_source.initrd_path = *path;
  if (const auto text = flags.Get("cmdline")) config.boot_source.boot_args = *text;
  for (const std::string_view disk : flags.GetAll("disk")) AddDisk(disk, config);
  absl::Status status;
  status.Update(Read(flags, "cpus", &ParseNumber, config.machine.vcpu_count));
  status.Update(Read(flags, "memory", &ParseSize, config.machine.memory_bytes));
  status.Update(Read(flags, "hypervisor", &ParseHypervisor, config.hypervisor));
  status.Update(Read(flags, "gic", &ParseGic, config.gic));
  status.Update(Read(flags, "console-device", &ParseConsoleDevice, config.console.device));
  status.Update(Read(flags, "on-reboot", &ParseOnReboot, config.on_reboot));
  status.Update(Read(flags, "clock", &ParseClock, config.software.clock));
  status.Update(Read(flags, "seed", &ParseNumber, config.software.seed));
  status.Update(Read(flags, "stop-at", &ParseNumber, config.software.stop_at));
  status.Update(Read(flags, "dialect", &ParseDialect, config.software.dialect));
  if (const auto where = flags.Get("console")) {
    status.Update(Annotate(SetConsoleOutput(*where, config.console), "--console"));
  }
  return status;
}

absl::Status ReadSaveAt(const Flags& flags, RunOptions& options) {
  for (const std::string_view text : flags.GetAll("save-at")) {
    const size_t colon = text.find(':');
    const absl::StatusOr<uint64_t> count = ParseNumber(text.substr(0, colon));
    if (!count.ok()) return Annotate(count.status(), "--save-at");
    std::string_view folder = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    const bool incremental = absl::ConsumeSuffix(&folder, ":incremental");
    if (folder.empty()) {
      return absl::InvalidArgumentError("--save-at takes N:DIR, and DIR is missing");
    }
    options.saves.push_back({*count, std::string(folder), incremental});
  }
  std::stable_sort(
      options.saves.begin(), options.saves.end(),
      [](const SaveAt& a, const SaveAt& b) { return a.instructions < b.instructions; });
  return absl::OkStatus();
}

}  // namespace firn
