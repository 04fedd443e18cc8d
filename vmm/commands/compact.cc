// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/compact.h"

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "migration/chain.h"
#include "migration/snapshot.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/message.h"
#include "vmm/base/progress_line.h"
#include "vmm/commands/command.h"
#include "vmm/commands/snapshot_folder.h"
#include "vmm/machine/entropy.h"

namespace firn {
namespace {

constexpr FlagSpec kCompactFlags[] = {
    {"into", "DIR2", "write the full snapshot to DIR2, and leave all others as they are"},
    {"quiet", "", "say nothing but what is wrong"},
    kHelpFlag,
};

absl::Status Fold(const Snapshot& chain, const SnapshotPaths& paths, bool quiet) {
  HostEntropy entropy;
  const auto id = Draw<SnapshotId>(entropy);
  ProgressLine line("compacting");
  const absl::StatusOr<CompactedSnapshot> full =
      Compact(SystemFileCalls(), chain, paths, id,
              [&](uint64_t done, uint64_t total) { line.Show(done, total); });
  line.Remove();
  if (!full.ok()) return full.status();
  if (!quiet) {
    PrintOutput(absl::StrCat(paths.state, ": ", chain.layers().size(), " snapshots in one\n",
                             paths.memory, ": ", full->pages, " pages, ", full->memory_bytes,
                             " bytes\n"));
  }
  return absl::OkStatus();
}

absl::Status FoldInPlace(const Snapshot& chain, bool quiet) {
  const std::string& state = chain.paths().state;
  if (chain.layers().size() == 1) {
    if (!quiet) PrintOutput(absl::StrCat(state, ": a full snapshot already\n"));
    return absl::OkStatus();
  }
  // A compacted snapshot is another one, and a layer on it would have lost its parent.
  absl::Status status = CheckNoLayerOn(SystemFileCalls(), chain);
  return status.ok() ? Fold(chain, chain.paths(), quiet) : status;
}

absl::Status FoldInto(const Snapshot& chain, std::string_view path, bool quiet) {
  const absl::StatusOr<SnapshotFolder> folder = SnapshotFolder::Make(path);
  if (!folder.ok()) return folder.status();
  const SnapshotPaths paths = {folder->File("state"), folder->File("memory")};
  for (const std::string& file : {paths.state, paths.memory}) {
    if (!IsPartOf(file, chain)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(file, " is one of the files to be read: give --into another folder"));
  }
  absl::Status status = Fold(chain, paths, quiet);
  if (!status.ok()) folder->Drop();
  return status;
}

}  // namespace

std::string CompactHelp() {
  return absl::StrCat(
      "Usage: firn compact DIR|FILE [FLAGS]\n\n"
      "Folds the snapshot in DIR, or that of state file FILE, and all that it lies on into one "
      "full\n"
      "snapshot, which takes its place; those below stay as they are. Every checksum is checked. "
      "A\n"
      "failure at any moment leaves the older snapshot whole.\n\n"
      "The full snapshot has an identity of its own. So a layer that lies on the older one could "
      "not be\n"
      "restored any more: firn looks for such layers in the folders beside DIR and refuses, but "
      "does\n"
      "not find those elsewhere. A virtual machine that goes on from the older one has to make a "
      "full\n"
      "save before its next incremental one. With --into neither is a matter.\n\n",
      FlagsHelp(kCompactFlags),
      "\nExamples:\n"
      "  firn compact layer\n"
      "  firn compact layer --into full\n");
}

int CompactCommand(absl::Span<const std::string_view> arguments, Timeline&) {
  const absl::StatusOr<Flags> flags = Flags::Parse(kCompactFlags, arguments, {"DIR"});
  if (!flags.ok()) return UsageError("compact", flags.status().message());
  const absl::StatusOr<std::unique_ptr<Snapshot>> chain =
      Snapshot::Open(SystemFileCalls(), std::string(flags->operand(0)));
  absl::Status status = chain.status();
  if (status.ok()) {
    const auto into = flags->Get("into");
    status = into ? FoldInto(**chain, *into, flags->Has("quiet"))
                  : FoldInPlace(**chain, flags->Has("quiet"));
  }
  if (status.ok()) return kExitPowerOff;
  PrintError(status);
  return kExitError;
}

}  // namespace firn
