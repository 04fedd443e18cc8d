// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "hypervisor/errno_status.h"
#include "migration/snapshot.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/base/progress_line.h"
#include "vmm/commands/clone_names.h"
#include "vmm/commands/clones.h"
#include "vmm/commands/command.h"
#include "vmm/commands/memory_flags.h"
#include "vmm/commands/vm_flags.h"
#include "vmm/config/config.h"
#include "vmm/config/snapshot_config.h"
#include "vmm/machine/memory_request.h"
#include "vmm/run_vm.h"

namespace firn {
namespace {

// More processes want more thought: limits, addresses.
constexpr uint64_t kMaximumClones = 4096;

constexpr FlagSpec kRestoreFlags[] = {
    {"memory-file", "FILE", "the memory file, where it is not beside the state file"},
    kMemoryLoadFlag,
    kWorkingSetFlag,
    kRecordWorkingSetFlag,
    kHugePagesFlag,
    {"disk", "PATH",
     "the file of the next disk, in the order of the snapshot's disks, where\n"
     "it has moved; repeatable",
     /*repeatable=*/true},
    {"console", "WHERE", "stdio, off, or a file (default: as in the snapshot)"},
    {"hypervisor", "NAME", "auto, kvm or software (default: as in the snapshot)"},
    {"identity", "WHICH",
     "software only: keep repeats what the saved machine went on to do, new\n"
     "has random numbers of its own (default new)"},
    {"seed", "N", "software only: the seed of those (default: a new one each time)"},
    {"track-dirty-pages", "", "so that incremental snapshots can be made"},
    {"count", "N",
     "start N clones, each in a process of its own, and wait for them. %n in\n"
     "--disk, --console, --api-sock, --stats and --save-at is the number of the\n"
     "clone, from 1; what clones write to stdout has it before each line"},
    {"paused", "", "wait for firn resume; needs --api-sock"},
    {"api-sock", "PATH", "serve the control API on this unix socket"},
    {"stop-at", "N",
     "software only: stop when the guest has executed N instructions since\n"
     "it was booted, with status 5"},
    {"save-at", "N:DIR",
     "software only: save a snapshot to DIR then, and go on;\n"
     "N:DIR:incremental: only what has changed since the last one; repeatable",
     /*repeatable=*/true},
    {"stats", "FILE", "write what the run cost as JSON, at its end"},
    {"trace", "", "say each phase of a save or restore, and the time that it took"},
    {"quiet", "", "no messages of firn's own but errors"},
    kHelpFlag,
};

absl::Status OverrideDisks(const std::vector<std::string_view>& paths, VmConfig& config) {
  if (paths.size() > config.drives.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--disk is given ", paths.size(),
                                                   " times, the snapshot has ",
                                                   config.drives.size(), " disks"));
  }
  for (size_t i = 0; i < paths.size(); ++i) config.drives[i].path_on_host = std::string(paths[i]);
  return absl::OkStatus();
}

// What the command line says goes over the snapshot's configuration.
absl::Status ApplyFlags(const Flags& flags, VmConfig& config, MemoryChoice& memory,
                        RestoreOptions& options) {
  absl::Status status = OverrideDisks(flags.GetAll("disk"), config);
  if (!status.ok()) return status;
  if (const auto where = flags.Get("console")) {
    status = Annotate(SetConsoleOutput(*where, config.console), "--console");
    if (!status.ok()) return status;
  }
  if (const auto name = flags.Get("hypervisor")) {
    const absl::StatusOr<HypervisorChoice> choice = ParseHypervisor(*name);
    if (!choice.ok()) return Annotate(choice.status(), "--hypervisor");
    config.hypervisor = *choice;
  }
  for (const auto& [name, value] :
       {std::pair{"stop-at", &config.software.stop_at}, {"seed", &config.software.seed}}) {
    const auto text = flags.Get(name);
    if (!text) continue;
    const absl::StatusOr<uint64_t> number = ParseNumber(*text);
    if (!number.ok()) return Annotate(number.status(), absl::StrCat("--", name));
    *value = *number;
  }
  const absl::StatusOr<MemoryChoice> choice = ReadMemoryFlags(flags);
  if (!choice.ok()) return choice.status();
  memory = *choice;
  const std::string_view identity = flags.Get("identity").value_or("new");
  if (identity != "new" && identity != "keep") {
    return absl::InvalidArgumentError(
        absl::StrCat("--identity is new or keep, not \"", identity, "\""));
  }
  options.request.keep_identity = identity == "keep";
  if (flags.Has("track-dirty-pages")) config.machine.track_dirty_pages = true;
  options.paused = flags.Has("paused");
  if (options.paused && !flags.Has("api-sock")) {
    return absl::InvalidArgumentError("--paused needs --api-sock, by which it can be resumed");
  }
  if (const auto path = flags.Get("stats")) options.run.stats_path = *path;
  if (const auto path = flags.Get("api-sock")) options.run.api_sock = *path;
  options.run.trace = flags.Has("trace");
  options.run.quiet = flags.Has("quiet");
  return ReadSaveAt(flags, options.run);
}

int RestoreClones(std::string_view text, const VmConfig& config, const Snapshot& snapshot,
                  const RestoreOptions& options, Timeline& timeline) {
  const absl::StatusOr<uint64_t> count = ParseNumber(text);
  if (!count.ok()) return UsageError("restore", Annotate(count.status(), "--count").message());
  if (*count == 0 || *count > kMaximumClones) {
    return UsageError("restore", absl::StrCat("--count is 1 to ", kMaximumClones));
  }
  absl::Status status = CheckClonesAreApart(config, options.run);
  if (!status.ok()) return UsageError("restore", status.message());
  const absl::StatusOr<int> exit_status = RunClones(*count, [&](uint64_t number) {
    VmConfig of_clone = config;
    RestoreOptions own = options;
    NameClone(number, of_clone, own.run);
    return RestoreVm(of_clone, snapshot, own, timeline);
  });
  if (exit_status.ok()) return *exit_status;
  PrintError(exit_status.status());
  return kExitError;
}

}  // namespace

std::string RestoreHelp() {
  return absl::StrCat(
      "Usage: firn restore DIR|FILE [FLAGS]\n\n"
      "Goes on where the snapshot in DIR (DIR/state and DIR/memory), or that of state file FILE, "
      "was\n"
      "made. The snapshot stays as it is, and can be restored as often as wanted.\n\n",
      FlagsHelp(kRestoreFlags),
      "\nExamples:\n"
      "  firn restore snapshot\n"
      "  firn restore snapshot --disk copy-of-root.ext4 --console clone.log\n"
      "  firn restore snapshot --paused --api-sock clone.sock\n"
      "  firn restore snapshot --count 3 --disk copy-%n.ext4 --api-sock clone-%n.sock\n"
      "  firn restore snapshot --memory-load demand --record-working-set snapshot/working-set\n\n",
      kExitStatusHelp);
}

int RestoreCommand(absl::Span<const std::string_view> arguments, Timeline& timeline) {
  const absl::StatusOr<Flags> flags = Flags::Parse(kRestoreFlags, arguments, {"DIR"});
  if (!flags.ok()) return UsageError("restore", flags.status().message());
  std::optional<std::string> memory_file;
  if (const auto path = flags->Get("memory-file")) memory_file = *path;
  const absl::StatusOr<std::unique_ptr<Snapshot>> snapshot =
      Snapshot::Open(SystemFileCalls(), std::string(flags->operand(0)), memory_file);
  if (!snapshot.ok()) {
    PrintError(snapshot.status());
    return kExitError;
  }
  absl::StatusOr<VmConfig> config = ConfigOfSnapshot(**snapshot);
  if (!config.ok()) {
    PrintError(config.status());
    return kExitError;
  }
  RestoreOptions options;
  MemoryChoice memory;
  absl::Status status = ApplyFlags(*flags, *config, memory, options);
  if (!status.ok()) return UsageError("restore", status.message());
  status = Validate(*config);
  if (!status.ok()) {
    PrintError(Annotate(status, "the snapshot's configuration"));
    return kExitError;
  }
  std::string note;
  status = ReadMemoryChoice(memory, **snapshot, FlagName, options.request, note);
  if (!status.ok()) {
    PrintError(status);
    return kExitError;
  }
  if (!note.empty() && !options.run.quiet) PrintMessage(note);
  timeline.Mark("configured");
  ProgressLine line("reading memory");
  if (options.request.load == MemoryLoad::kEager && !flags->Has("count")) {
    options.request.progress = [&](uint64_t done, uint64_t total) { line.Show(done, total); };
  }
  if (!flags->Has("count")) return RestoreVm(*config, **snapshot, options, timeline);
  return RestoreClones(*flags->Get("count"), *config, **snapshot, options, timeline);
}

}  // namespace firn
