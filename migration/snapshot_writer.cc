// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/snapshot_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/manifest.pb.h"

namespace firn {
namespace {

// The id of the snapshot whose memory is at `path`; none where there is no memory file.
std::optional<SnapshotId> IdAt(FileCalls& calls, const std::string& path) {
  const absl::StatusOr<File> file = File::Open(calls, path, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) return std::nullopt;
  const absl::StatusOr<SnapshotId> id = ReadMemoryFileId(*file);
  return id.ok() ? std::optional(*id) : std::nullopt;
}

// The id in the manifest of the state file at `path`; none where there is no state file. An error
// where there is one that cannot be read: then nobody knows which files it needs.
absl::StatusOr<std::optional<SnapshotId>> IdOfState(FileCalls& calls, const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadWholeFile(calls, path, kMaximumStateFileSize);
  if (GetErrno(bytes.status()) == ENOENT) return std::nullopt;
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<StateFile> state = DecodeStateFile(*bytes);
  const StateSection* section = state.ok() ? state->Find("manifest") : nullptr;
  state::Manifest manifest;
  if (section == nullptr || !manifest.ParseFromString(section->content) ||
      manifest.id().size() != sizeof(SnapshotId)) {
    return std::nullopt;  // not a snapshot, so it needs no memory file
  }
  SnapshotId id;
  std::copy(manifest.id().begin(), manifest.id().end(), id.begin());
  return id;
}

// Removes files like `path` of snapshots that nobody is writing, and that are not that of `keep`.
void RemoveLeftovers(FileCalls& calls, const std::string& path,
                     const std::optional<SnapshotId>& keep) {
  const std::string folder = FolderOf(path), base = NameOf(path);
  std::vector<std::string> names;
  if (calls.List(folder, names) < 0) return;
  for (const std::string& name : names) {
    if (!HasIdOf(name, base) || (keep && name == WithId(base, *keep))) continue;
    const std::string leftover = Below(folder, name);
    const absl::StatusOr<File> file = File::Open(calls, leftover, O_RDONLY | O_NONBLOCK);
    if (file.ok() && calls.Lock(file->fd()) == 0) calls.Unlink(leftover);
  }
}

// A save that was killed in the middle of publishing has left the memory of snapshot `id`, whose
// state is in its place, under its other name: puts it in place.
absl::Status FinishPublishing(FileCalls& calls, const std::string& memory, const SnapshotId& id) {
  const std::string other = WithId(memory, id);
  if (IdAt(calls, other) != id || IdAt(calls, memory) == id) return absl::OkStatus();
  const int result = calls.Rename(other, memory);
  return result < 0 ? ErrnoStatus(-result, absl::StrCat("rename ", other, " to ", memory))
                    : absl::OkStatus();
}

absl::StatusOr<File> Stage(FileCalls& calls, const std::string& path) {
  absl::StatusOr<File> file = File::Open(calls, path, O_RDWR | O_CREAT | O_EXCL);
  if (!file.ok()) return file.status();
  if (const int locked = calls.Lock(file->fd()); locked < 0) {
    calls.Unlink(path);
    return ErrnoStatus(-locked, absl::StrCat("flock ", path));
  }
  // Before it was locked it was one that nobody writes, to another save of that name.
  const absl::Status there = File::Open(calls, path, O_RDONLY | O_NONBLOCK).status();
  if (there.ok()) return file;
  calls.Unlink(path);
  if (GetErrno(there) != ENOENT) return there;
  return absl::AbortedError(
      absl::StrCat(path, " was removed by another save to the same name: try again"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Begin(FileCalls& calls,
                                                                      const SnapshotPaths& paths,
                                                                      const SnapshotId& id) {
  if (paths.state == paths.memory) {
    return absl::InvalidArgumentError(
        absl::StrCat(paths.state, " cannot be both the state and the memory file"));
  }
  const absl::StatusOr<std::optional<SnapshotId>> current = IdOfState(calls, paths.state);
  if (!current.ok()) return current.status();
  if (*current) {
    absl::Status status = FinishPublishing(calls, paths.memory, **current);
    if (!status.ok()) return status;
  }
  RemoveLeftovers(calls, paths.memory, *current);
  RemoveLeftovers(calls, paths.state, std::nullopt);
  absl::StatusOr<File> memory = Stage(calls, WithId(paths.memory, id));
  if (!memory.ok()) return memory.status();
  absl::StatusOr<File> state = Stage(calls, WithId(paths.state, id));
  if (!state.ok()) {
    calls.Unlink(memory->path());
    return state.status();
  }
  return absl::WrapUnique(
      new SnapshotWriter(calls, paths, id, *std::move(memory), *std::move(state)));
}

SnapshotWriter::SnapshotWriter(FileCalls& calls, SnapshotPaths paths, const SnapshotId& id,
                               File memory, File state)
    : calls_(calls),
      paths_(std::move(paths)),
      id_(id),
      memory_(std::move(memory)),
      state_(std::move(state)) {}

SnapshotWriter::~SnapshotWriter() {
  if (published_) return;
  calls_.Unlink(memory_.path());
  calls_.Unlink(state_.path());
}

absl::Status SnapshotWriter::Rename(const std::string& from, const std::string& to) {
  const int result = calls_.Rename(from, to);
  return result < 0 ? ErrnoStatus(-result, absl::StrCat("rename ", from, " to ", to))
                    : absl::OkStatus();
}

absl::Status SnapshotWriter::SyncFolder(const std::string& folder) {
  absl::StatusOr<File> open = File::Open(calls_, folder, O_RDONLY | O_DIRECTORY);
  return open.ok() ? open->Sync() : open.status();
}

absl::Status SnapshotWriter::Publish(const StateFile& state) {
  const std::string bytes = EncodeStateFile(state);
  absl::Status status = state_.Write(
      0, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
  if (status.ok()) status = state_.Sync();
  if (status.ok()) status = memory_.Sync();
  // The names must last before the state that needs them does.
  if (status.ok()) status = SyncFolder(FolderOf(paths_.memory));
  if (!status.ok()) return status;
  state_bytes_ = bytes.size();
  absl::StatusOr<File> folder = File::Open(calls_, FolderOf(paths_.state), O_RDONLY | O_DIRECTORY);
  if (!folder.ok()) return folder.status();

  // An older memory file stays reachable for the older state until the new state is there.
  const std::optional<SnapshotId> old_id = IdAt(calls_, paths_.memory);
  if (old_id) {
    status = Rename(paths_.memory, WithId(paths_.memory, *old_id));
    if (!status.ok()) return status;
  }
  status = Rename(state_.path(), paths_.state);
  if (!status.ok()) {
    if (old_id) calls_.Rename(WithId(paths_.memory, *old_id), paths_.memory);
    return status;
  }
  published_ = true;
  // Nothing of the older snapshot goes before the new state lasts.
  status = folder->Sync();
  if (!status.ok()) {
    return Annotate(status,
                    absl::StrCat(paths_.state, " is there, but may not outlast a power failure"));
  }
  // From here on a reader finds the memory under either name: what fails below is put right by the
  // next save, and is no failure of this one.
  if (Rename(memory_.path(), paths_.memory).ok() && old_id) {
    calls_.Unlink(WithId(paths_.memory, *old_id));
  }
  SyncFolder(FolderOf(paths_.memory)).IgnoreError();
  return absl::OkStatus();
}

}  // namespace firn
