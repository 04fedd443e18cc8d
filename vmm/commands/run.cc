// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/commands/command.h"
#include "vmm/commands/vm_flags.h"
#include "vmm/config/config.h"
#include "vmm/config/config_json.h"
#include "vmm/run_vm.h"

namespace firn {
namespace {

constexpr FlagSpec kRunFlags[] = {
    {"stats", "FILE", "write what the run cost as JSON, at its end"},
    {"api-sock", "PATH",
     "serve the control API, HTTP as Firecracker's, on this unix socket;\n"
     "firn pause, resume and save are clients of it"},
    {"save-at", "N:DIR",
     "software only: save a snapshot to DIR after N instructions since the\n"
     "boot, and go on; N:DIR:incremental: only what has changed since the\n"
     "last one; repeatable",
     /*repeatable=*/true},
    {"track-dirty-pages", "", "so that incremental snapshots can be made"},
    {"trace", "", "say each phase of a save or restore, and the time that it took"},
    {"quiet", "", "no messages of firn's own but errors"},
};

// What still says something where the rest comes from a snapshot.
bool IsForSnapshots(std::string_view flag) {
  constexpr std::string_view kFlags[] = {"api-sock", "console", "hypervisor",
                                         "stats",    "trace",   "quiet"};
  return std::find(std::begin(kFlags), std::end(kFlags), flag) != std::end(kFlags);
}

// firn run --api-sock without a kernel: the machine is the one that a client loads.
int Serve(const Flags& flags, const RunOptions& options, Timeline& timeline) {
  for (const FlagSpec& spec : WithVmFlags(kRunFlags)) {
    if (!flags.Has(spec.name) || IsForSnapshots(spec.name)) continue;
    return UsageError("run", absl::StrCat("--", spec.name,
                                          " is for a machine that boots, and there is neither "
                                          "--kernel nor --config"));
  }
  VmConfig config;
  const absl::Status status = ApplyVmFlags(flags, config);
  if (!status.ok()) return UsageError("run", status.message());
  timeline.Mark("configured");
  return ServeVm(
      options, [&flags](VmConfig& of_snapshot) { return ApplyVmFlags(flags, of_snapshot); },
      timeline);
}

}  // namespace

std::string RunHelp() {
  return absl::StrCat(
      "Usage: firn run --kernel PATH [FLAGS]\n\n"
      "Runs a virtual machine until the guest powers off. On a terminal, Ctrl-A x quits and\n"
      "Ctrl-A h helps.\n\n"
      "With --api-sock and neither --kernel nor --config it waits for a client to load a snapshot\n"
      "(PUT /snapshot/load), and runs that.\n\n",
      FlagsHelp(WithVmFlags(kRunFlags)),
      "\n"
      "With the software hypervisor and its virtual clock a run repeats exactly: the guest's\n"
      "random numbers come from --seed, its wall clock starts at 2026-01-01 00:00:00 UTC and\n"
      "advances with the instructions that it executes (what is typed is up to you). Elsewhere\n"
      "they come from the host.\n\n"
      "A panic is noticed by its text on the console, or by a pvpanic driver. The default\n"
      "command line has panic=-1, so that the guest ends at once.\n\n"
      "Examples:\n"
      "  firn run --kernel Image --initrd initramfs.cpio --memory 256M --cpus 2\n"
      "  firn run --kernel vmlinuz --disk root.ext4 --cmdline 'console=ttyS0 root=/dev/vda rw'\n"
      "  firn run --config vm.json --console guest.log --stats cost.json --on-reboot=exit\n"
      "  firn run --config vm.json --api-sock vm.sock\n"
      "  firn run --api-sock vm.sock\n\n",
      kExitStatusHelp);
}

int RunCommand(absl::Span<const std::string_view> arguments, Timeline& timeline) {
  const std::vector<FlagSpec> specs = WithVmFlags(kRunFlags);
  const absl::StatusOr<Flags> flags = Flags::Parse(specs, arguments);
  if (!flags.ok()) return UsageError("run", flags.status().message());
  RunOptions options;
  if (const auto path = flags->Get("stats")) options.stats_path = *path;
  if (const auto path = flags->Get("api-sock")) options.api_sock = *path;
  options.trace = flags->Has("trace");
  options.quiet = flags->Has("quiet");
  if (options.api_sock && !flags->Has("kernel") && !flags->Has("config")) {
    return Serve(*flags, options, timeline);
  }
  VmConfig config;
  if (const auto path = flags->Get("config")) {
    absl::StatusOr<VmConfig> loaded = LoadConfigFile(std::string(*path));
    if (!loaded.ok()) {
      PrintError(loaded.status());
      return kExitError;
    }
    config = *std::move(loaded);
    options.config_path = *path;
  }
  absl::Status status = ApplyVmFlags(*flags, config);
  if (!status.ok()) return UsageError("run", status.message());
  if (flags->Has("track-dirty-pages")) config.machine.track_dirty_pages = true;
  status = Validate(config);
  if (!status.ok()) {
    PrintError(status);
    return kExitError;
  }
  status = ReadSaveAt(*flags, options);
  if (!status.ok()) return UsageError("run", status.message());
  timeline.Mark("configured");
  return RunVm(config, options, timeline);
}

}  // namespace firn
