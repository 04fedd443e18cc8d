// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// firn inspect and firn verify: looking at snapshots without restoring them.
#include "migration/inspect.h"

#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "hypervisor/errno_status.h"
#include "migration/snapshot.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/base/progress_line.h"
#include "vmm/commands/command.h"
#include "vmm/machine/snapshot_check.h"

namespace firn {
namespace {

constexpr FlagSpec kInspectFlags[] = {
    {"section", "NAME", "show only this section"},
    {"full", "", "show long values whole"},
    kHelpFlag,
};

constexpr FlagSpec kVerifyFlags[] = {
    {"memory-file", "FILE", "the memory file, where it is not beside the state file"},
    {"quiet", "", "say nothing but what is wrong"},
    kHelpFlag,
};

absl::StatusOr<StateFile> ReadState(const std::string& path) {
  const absl::StatusOr<std::string> bytes =
      ReadWholeFile(SystemFileCalls(), path, kMaximumStateFileSize);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<StateFile> file = DecodeStateFile(*bytes);
  return file.ok() ? std::move(file) : Annotate(file.status(), path);
}

std::string SummaryOf(const StateFile& file, const std::string& path) {
  std::string text = absl::StrCat(path, ": format version ", file.format_version, "\n");
  state::Manifest manifest;
  const StateSection* section = file.Find("manifest");
  if (section == nullptr || !manifest.ParseFromString(section->content)) return text;
  absl::StrAppend(&text, "made ", absl::FormatTime(absl::FromUnixNanos(manifest.created())), " by ",
                  manifest.writer(), " on the ", manifest.hypervisor(), " hypervisor\n",
                  manifest.vcpus(), " vCPUs, ", manifest.memory_size() >> 20, " MiB of memory, ",
                  manifest.interrupt_controller(), ", ", manifest.spis(), " SPIs\n");
  if (manifest.has_parent()) {
    absl::StrAppend(&text, "a layer on ", manifest.parent().path(), "\n");
  }
  // Another program wrote the text: nothing in it may command the terminal.
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\n') c = '?';
  }
  return absl::StrCat(text, "\n");
}

absl::Status Verify(const std::string& path, const std::optional<std::string>& memory_file,
                    bool quiet) {
  const absl::StatusOr<std::unique_ptr<Snapshot>> snapshot =
      Snapshot::Open(SystemFileCalls(), path, memory_file);
  if (!snapshot.ok()) return snapshot.status();
  for (const SnapshotLayer& layer : (*snapshot)->layers()) {
    const absl::StatusOr<StateFile> state = ReadState(layer.paths.state);
    if (!state.ok()) return state.status();
    absl::Status status = CheckSnapshotState(*state);
    if (!status.ok()) return Annotate(status, layer.paths.state);
    ProgressLine line("verifying");
    status = VerifyMemoryFile(layer.memory, layer.index,
                              [&](uint64_t done, uint64_t total) { line.Show(done, total); });
    line.Remove();
    if (!status.ok()) return status;
    if (quiet) continue;
    PrintOutput(absl::StrCat(layer.paths.state, ": ok\n", layer.memory.path(), ": ok, ",
                             layer.index.pages.Count(), " pages\n"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string InspectHelp() {
  return absl::StrCat(
      "Usage: firn inspect DIR|FILE [FLAGS]\n\n"
      "Shows the snapshot in DIR, or state file FILE, as text: also one of another version of "
      "firn,\n"
      "as it describes itself. Guest memory is not shown.\n\n",
      FlagsHelp(kInspectFlags),
      "\nExamples:\n"
      "  firn inspect snapshot\n"
      "  firn inspect snapshot --section vcpu/0\n");
}

int InspectCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  const absl::StatusOr<Flags> flags = Flags::Parse(kInspectFlags, arguments, {"DIR"});
  if (!flags.ok()) return UsageError("inspect", flags.status().message());
  const std::string path = StatePathOf(std::string(flags->operand(0)));
  const absl::StatusOr<StateFile> file = ReadState(path);
  if (!file.ok()) {
    PrintError(file.status());
    return kExitError;
  }
  InspectOptions options;
  options.full = flags->Has("full");
  if (const auto section = flags->Get("section")) {
    options.section = *section;
    if (file->Find(*section) == nullptr) {
      PrintError(absl::NotFoundError(absl::StrCat(path, " has no section ", *section)));
      return kExitError;
    }
    return PrintOutput(DescribeState(*file, options));
  }
  return PrintOutput(absl::StrCat(SummaryOf(*file, path), DescribeState(*file, options)));
}

std::string VerifyHelp() {
  return absl::StrCat(
      "Usage: firn verify DIR|FILE [FLAGS]\n\n"
      "Reads the whole snapshot in DIR, or that of state file FILE, and all that it lies on, and "
      "checks\n"
      "every checksum, and that each section of the state is what it should be. Nothing is "
      "restored.\n\n",
      FlagsHelp(kVerifyFlags),
      "\nExample:\n"
      "  firn verify snapshot\n");
}

int VerifyCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  const absl::StatusOr<Flags> flags = Flags::Parse(kVerifyFlags, arguments, {"DIR"});
  if (!flags.ok()) return UsageError("verify", flags.status().message());
  std::optional<std::string> memory_file;
  if (const auto path = flags->Get("memory-file")) memory_file = *path;
  const absl::Status status =
      Verify(std::string(flags->operand(0)), memory_file, flags->Has("quiet"));
  if (status.ok()) return kExitPowerOff;
  PrintError(status);
  return kExitError;
}

}  // namespace firn
