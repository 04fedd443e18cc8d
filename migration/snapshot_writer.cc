// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/snapshot_writer.h"

#include <fcntl.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

// The id of the snapshot whose memory is at `path`; none where there is no memory file.
std::optional<SnapshotId> IdAt(FileCalls& calls, const std::string& path) {
  const absl::StatusOr<File> file = File::Open(calls, path, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) return std::nullopt;
  const absl::StatusOr<SnapshotId> id = ReadMemoryFileId(*file);
  return id.ok() ? std::optional(*id) : std::nullopt;
}

bool Exists(FileCalls& calls, const std::string& path) {
  return File::Open(calls, path, O_RDONLY | O_NONBLOCK).ok();
}

// Removes files like `path` of snapshots that nobody is writing.
void RemoveLeftovers(FileCalls& calls, const std::string& path) {
  const std::string folder = FolderOf(path), base = NameOf(path);
  std::vector<std::string> names;
  if (calls.List(folder, names) < 0) return;
  for (const std::string& name : names) {
    if (!HasIdOf(name, base)) continue;
    const std::string leftover = Below(folder, name);
    const absl::StatusOr<File> file = File::Open(calls, leftover, O_RDONLY | O_NONBLOCK);
    if (file.ok() && calls.Lock(file->fd()) == 0) calls.Unlink(leftover);
  }
}

// A save that was killed in the middle of publishing has left the memory of a snapshot that is
// already there under its other name: puts it in place.
void FinishPublishing(FileCalls& calls, const SnapshotPaths& paths) {
  const std::string folder = FolderOf(paths.memory);
  std::vector<std::string> names;
  if (calls.List(folder, names) < 0 || !Exists(calls, paths.state)) return;
  const absl::StatusOr<std::string> bytes =
      ReadWholeFile(calls, paths.state, kMaximumStateFileSize);
  if (!bytes.ok()) return;
  for (const std::string& name : names) {
    if (!HasIdOf(name, NameOf(paths.memory))) continue;
    const std::string other = Below(folder, name);
    const std::optional<SnapshotId> id = IdAt(calls, other);
    // The id stands in the manifest as it is.
    if (!id || other != WithId(paths.memory, *id)) continue;
    const std::string_view raw(reinterpret_cast<const char*>(id->data()), id->size());
    if (bytes->find(raw) == std::string::npos || IdAt(calls, paths.memory) == id) continue;
    calls.Rename(other, paths.memory);
  }
}

absl::StatusOr<File> Stage(FileCalls& calls, const std::string& path) {
  absl::StatusOr<File> file = File::Open(calls, path, O_RDWR | O_CREAT | O_EXCL);
  if (!file.ok()) return file.status();
  if (const int locked = calls.Lock(file->fd()); locked < 0) {
    calls.Unlink(path);
    return ErrnoStatus(-locked, absl::StrCat("flock ", path));
  }
  return file;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Begin(FileCalls& calls,
                                                                      const SnapshotPaths& paths,
                                                                      const SnapshotId& id) {
  if (paths.state == paths.memory) {
    return absl::InvalidArgumentError(
        absl::StrCat(paths.state, " cannot be both the state and the memory file"));
  }
  FinishPublishing(calls, paths);
  RemoveLeftovers(calls, paths.memory);
  RemoveLeftovers(calls, paths.state);
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
  // From here on the new snapshot is there; a reader finds its memory under either name.
  status = Rename(memory_.path(), paths_.memory);
  if (status.ok() && old_id) calls_.Unlink(WithId(paths_.memory, *old_id));
  if (status.ok()) status = SyncFolder(FolderOf(paths_.state));
  if (status.ok() && FolderOf(paths_.state) != FolderOf(paths_.memory)) {
    status = SyncFolder(FolderOf(paths_.memory));
  }
  return status;
}

}  // namespace firn
