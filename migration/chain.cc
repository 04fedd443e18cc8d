// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/chain.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/section.h"

namespace firn {
namespace {

// Also of names that are not there: the memory of a snapshot may still have its other name.
bool IsSameFile(const std::string& a, const std::string& b) {
  std::error_code error;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(a, error);
  return !error && canonical == std::filesystem::weakly_canonical(b, error) && !error;
}

// Whether `path` begins like a state file: others may be large, and are not read.
bool LooksLikeState(FileCalls& calls, const std::string& path) {
  const absl::StatusOr<File> file = File::Open(calls, path, O_RDONLY | O_NONBLOCK);
  std::array<std::byte, kStateMagic.size()> magic;
  return file.ok() && file->Size().ok() && file->Read(0, absl::MakeSpan(magic)).ok() &&
         std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()) == kStateMagic;
}

bool LiesOn(FileCalls& calls, const std::string& path, const SnapshotId& id) {
  if (!LooksLikeState(calls, path)) return false;
  const absl::StatusOr<std::string> bytes = ReadWholeFile(calls, path, kMaximumStateFileSize);
  if (!bytes.ok()) return false;
  const absl::StatusOr<StateFile> state = DecodeStateFile(*bytes);
  if (!state.ok()) return false;
  const absl::StatusOr<state::Manifest> manifest =
      ParseSection<state::Manifest>(*state, "manifest");
  return manifest.ok() && manifest->parent().id() == IdBytes(id);
}

}  // namespace

bool IsPartOf(const std::string& path, const Snapshot& chain) {
  return std::any_of(chain.layers().begin(), chain.layers().end(), [&](const SnapshotLayer& layer) {
    return IsSameFile(path, layer.paths.state) || IsSameFile(path, layer.paths.memory) ||
           IsSameFile(path, layer.memory.path());
  });
}

absl::Status CheckNewLayer(FileCalls& calls, const SnapshotPaths& paths,
                           const std::string& base_path, const SnapshotId& base) {
  const absl::StatusOr<std::unique_ptr<Snapshot>> chain = Snapshot::Open(calls, base_path);
  if (!chain.ok()) {
    return Annotate(chain.status(), "the snapshot that an incremental one would lie on");
  }
  if ((*chain)->id() != base) {
    return absl::FailedPreconditionError(
        absl::StrCat(base_path,
                     ", which an incremental snapshot would lie on, was replaced since: make a "
                     "full one first"));
  }
  for (const std::string& path : {paths.state, paths.memory}) {
    if (!IsPartOf(path, **chain)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        " is of the snapshot that an incremental one would lie on, or of one below it: "
        "give it another name"));
  }
  if ((*chain)->layers().size() == kMaximumChain) {
    return absl::FailedPreconditionError(
        absl::StrCat(base_path, " lies on ", kMaximumChain - 1,
                     " others, and a chain has no more: make a full snapshot"));
  }
  return absl::OkStatus();
}

absl::Status CheckNoLayerOn(FileCalls& calls, const Snapshot& chain) {
  const std::string& state = chain.paths().state;
  const std::optional<std::string> layer = FindLayerOn(calls, state, chain.id());
  if (!layer) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      *layer, " lies on ", state, ": compact that one, or give --into another folder"));
}

std::optional<std::string> FindLayerOn(FileCalls& calls, const std::string& state_path,
                                       const SnapshotId& id) {
  const std::string folder = FolderOf(state_path), above = Below(folder, "..");
  std::vector<std::string> candidates;
  std::vector<std::string> names;
  if (calls.List(folder, names) >= 0) {
    for (const std::string& name : names) candidates.push_back(Below(folder, name));
  }
  names.clear();
  if (calls.List(above, names) >= 0) {
    for (const std::string& name : names) {
      candidates.push_back(SnapshotPaths::InFolder(Below(above, name)).state);
    }
  }
  for (const std::string& candidate : candidates) {
    if (!LiesOn(calls, candidate, id)) continue;
    return std::filesystem::path(candidate).lexically_normal().string();
  }
  return std::nullopt;
}

}  // namespace firn
