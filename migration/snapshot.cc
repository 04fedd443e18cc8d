// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/snapshot.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/memory.pb.h"
#include "migration/section.h"

namespace firn {
namespace {

struct OpenedLayer {
  StateFile state;
  state::Manifest manifest;
  SnapshotLayer layer;
};

absl::StatusOr<state::Manifest> ReadManifest(const StateFile& state) {
  absl::StatusOr<state::Manifest> manifest = ParseSection<state::Manifest>(state, "manifest");
  if (!manifest.ok()) return manifest.status();
  if (manifest->id().size() != sizeof(SnapshotId)) {
    return absl::DataLossError("manifest: the id does not have 16 bytes");
  }
  if (manifest->architecture() != "aarch64") {
    return absl::FailedPreconditionError(
        absl::StrCat("manifest: the snapshot is of architecture \"", manifest->architecture(),
                     "\", firn runs aarch64"));
  }
  return manifest;
}

absl::StatusOr<MemoryIndex> ReadIndex(const StateFile& state, const state::Manifest& manifest) {
  const absl::StatusOr<state::Memory> memory = ParseSection<state::Memory>(state, "memory");
  if (!memory.ok()) return memory.status();
  absl::StatusOr<MemoryIndex> index = DecodeMemory(*memory);
  if (index.ok() && index->size() != manifest.memory_size()) {
    return absl::DataLossError(absl::StrCat("manifest: memory_size is ", manifest.memory_size(),
                                            ", the regions have ", index->size(), " bytes"));
  }
  return index;
}

// The memory file in its place, or under the name that a save which was cut short left it.
absl::StatusOr<File> OpenMemory(FileCalls& calls, const std::string& path, const SnapshotId& id,
                                uint64_t size) {
  absl::StatusOr<File> file = File::Open(calls, path, O_RDONLY | O_NONBLOCK);
  absl::Status status = file.ok() ? CheckMemoryFile(*file, id, size) : file.status();
  if (status.ok()) return file;
  absl::StatusOr<File> other = File::Open(calls, WithId(path, id), O_RDONLY | O_NONBLOCK);
  if (other.ok() && CheckMemoryFile(*other, id, size).ok()) return other;
  return status;
}

absl::StatusOr<OpenedLayer> OpenLayer(FileCalls& calls, const std::string& state_path,
                                      const std::optional<std::string>& memory_path) {
  const absl::StatusOr<std::string> bytes = ReadWholeFile(calls, state_path, kMaximumStateFileSize);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<StateFile> state = DecodeStateFile(*bytes);
  if (!state.ok()) return Annotate(state.status(), state_path);
  absl::Status status = CheckFormat(*state);
  if (!status.ok()) return Annotate(status, state_path);
  absl::StatusOr<state::Manifest> manifest = ReadManifest(*state);
  if (!manifest.ok()) return Annotate(manifest.status(), state_path);
  absl::StatusOr<MemoryIndex> index = ReadIndex(*state, *manifest);
  if (!index.ok()) return Annotate(index.status(), state_path);

  SnapshotId id;
  std::copy(manifest->id().begin(), manifest->id().end(), id.begin());
  const std::string name =
      manifest->memory_path().empty() ? std::string("memory") : manifest->memory_path();
  SnapshotPaths paths = {state_path, memory_path.value_or(Below(FolderOf(state_path), name))};
  absl::StatusOr<File> memory = OpenMemory(calls, paths.memory, id, index->size());
  if (!memory.ok()) return Annotate(memory.status(), "memory file");
  return OpenedLayer{*std::move(state), *std::move(manifest),
                     SnapshotLayer{std::move(paths), id, *std::move(index), *std::move(memory)}};
}

absl::Status CheckParent(const SnapshotLayer& parent, const SnapshotLayer& child,
                         const state::Parent& expected) {
  if (std::string_view(reinterpret_cast<const char*>(parent.id.data()), parent.id.size()) !=
      expected.id()) {
    return absl::DataLossError(absl::StrCat(parent.paths.state, " is not the snapshot that ",
                                            child.paths.state, " lies on: it was replaced since"));
  }
  const bool same_regions = std::equal(parent.index.regions.begin(), parent.index.regions.end(),
                                       child.index.regions.begin(), child.index.regions.end(),
                                       [](const GuestRange& a, const GuestRange& b) {
                                         return a.base() == b.base() && a.size() == b.size();
                                       });
  if (same_regions) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(parent.paths.state, " and ", child.paths.state, " differ in guest memory"));
}

}  // namespace

std::string StatePathOf(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) ? SnapshotPaths::InFolder(path).state : path;
}

absl::StatusOr<std::unique_ptr<Snapshot>> Snapshot::Open(
    FileCalls& calls, const std::string& path, const std::optional<std::string>& memory_path) {
  absl::StatusOr<OpenedLayer> opened = OpenLayer(calls, StatePathOf(path), memory_path);
  if (!opened.ok()) return opened.status();
  auto snapshot = absl::WrapUnique(new Snapshot);
  snapshot->state_ = std::move(opened->state);
  snapshot->manifest_ = std::move(opened->manifest);
  snapshot->layers_.push_back(std::move(opened->layer));

  state::Manifest manifest = snapshot->manifest_;
  while (manifest.has_parent()) {
    const SnapshotLayer& child = snapshot->layers_.back();
    if (snapshot->layers_.size() == kMaximumChain) {
      return absl::DataLossError(absl::StrCat(snapshot->paths().state, " lies on more than ",
                                              kMaximumChain - 1, " other snapshots"));
    }
    absl::StatusOr<OpenedLayer> parent = OpenLayer(
        calls, Below(FolderOf(child.paths.state), manifest.parent().path()), std::nullopt);
    if (!parent.ok()) {
      return Annotate(parent.status(), absl::StrCat("parent of ", child.paths.state));
    }
    absl::Status status = CheckParent(parent->layer, child, manifest.parent());
    if (!status.ok()) return status;
    manifest = std::move(parent->manifest);
    snapshot->layers_.push_back(std::move(parent->layer));
  }
  std::reverse(snapshot->layers_.begin(), snapshot->layers_.end());
  return snapshot;
}

absl::StatusOr<std::string_view> Snapshot::Section(std::string_view name) const {
  const StateSection* section = state_.Find(name);
  if (section == nullptr) {
    return absl::DataLossError(absl::StrCat(paths().state, " has no section ", name));
  }
  return section->content;
}

PageSet Snapshot::StoredPages() const {
  PageSet pages(layers_.back().index.pages.pages());
  for (const SnapshotLayer& layer : layers_) pages.Merge(layer.index.pages);
  return pages;
}

}  // namespace firn
