// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/memory_flags.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/file.h"
#include "migration/working_set.h"
#include "vmm/stats.h"

namespace firn {
namespace {

absl::Status ReadFrom(const std::string& path, const Snapshot& snapshot, RestoreRequest& request) {
  const absl::StatusOr<std::string> bytes =
      ReadWholeFile(SystemFileCalls(), path, kMaximumWorkingSetFileSize);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<WorkingSet> set = DecodeWorkingSet(*bytes);
  if (!set.ok()) return Annotate(set.status(), path);
  absl::Status status = CheckWorkingSet(*set, snapshot.id(), snapshot.StoredPages().pages());
  if (!status.ok()) return Annotate(status, path);
  request.prefetch = std::move(set->runs);
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadMemoryFlags(const Flags& flags, RestoreRequest& request) {
  const std::string_view load = flags.Get("memory-load").value_or("mapped");
  if (load == "mapped") {
    request.load = MemoryLoad::kMapped;
  } else if (load == "demand") {
    request.load = MemoryLoad::kDemand;
  } else if (load == "eager") {
    request.load = MemoryLoad::kEager;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--memory-load is mapped, demand or eager, not \"", load, "\""));
  }
  request.huge_pages = flags.Has("huge-pages");
  if (request.huge_pages && request.load == MemoryLoad::kMapped) {
    return absl::InvalidArgumentError(
        "--huge-pages needs --memory-load demand or eager: mapped pages are those of the file");
  }
  if (flags.Has("working-set") && request.load == MemoryLoad::kEager) {
    return absl::InvalidArgumentError(
        "--working-set is for --memory-load mapped and demand: eager loads all before the guest "
        "runs");
  }
  const auto record = flags.Get("record-working-set");
  if (!record) return absl::OkStatus();
  if (request.load != MemoryLoad::kDemand) {
    return absl::InvalidArgumentError(
        "--record-working-set needs --memory-load demand, which sees what is touched");
  }
  if (flags.Has("count")) {
    return absl::InvalidArgumentError("--record-working-set is for one machine, without --count");
  }
  if (flags.Has("working-set")) {
    return absl::InvalidArgumentError(
        "--record-working-set and --working-set do not go together: what is loaded before is not "
        "seen to be touched");
  }
  request.record_path = *record;
  return Annotate(CheckFileCanBeWritten(request.record_path), "--record-working-set");
}

absl::Status ReadWorkingSet(const Flags& flags, const Snapshot& snapshot, RestoreRequest& request,
                            std::string& note) {
  if (!request.record_path.empty() || request.load == MemoryLoad::kEager) return absl::OkStatus();
  if (const auto path = flags.Get("working-set")) {
    return Annotate(ReadFrom(std::string(*path), snapshot, request), "--working-set");
  }
  const absl::Status status =
      ReadFrom(Below(FolderOf(snapshot.paths().state), "working-set"), snapshot, request);
  if (!status.ok() && GetErrno(status) != ENOENT) {
    note = absl::StrCat("no pages are loaded ahead: ", status.message());
  }
  return absl::OkStatus();
}

}  // namespace firn
