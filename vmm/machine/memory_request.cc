// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/memory_request.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/file.h"
#include "migration/working_set.h"
#include "vmm/machine/stats.h"

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

absl::Status ReadMemoryChoice(const MemoryChoice& choice, const Snapshot& snapshot, OptionName name,
                              RestoreRequest& request, std::string& note) {
  request.load = choice.load;
  request.huge_pages = choice.huge_pages;
  request.record_path = choice.record_working_set.value_or("");
  request.prefetch.clear();
  if (choice.record_working_set) {
    return Annotate(CheckFileCanBeWritten(request.record_path), name("record-working-set"));
  }
  if (choice.load == MemoryLoad::kEager) return absl::OkStatus();
  if (choice.working_set) {
    return Annotate(ReadFrom(*choice.working_set, snapshot, request), name("working-set"));
  }
  const absl::Status status =
      ReadFrom(Below(FolderOf(snapshot.paths().state), "working-set"), snapshot, request);
  if (!status.ok() && GetErrno(status) != ENOENT) {
    note = absl::StrCat("no pages are loaded ahead: ", status.message());
  }
  return absl::OkStatus();
}

}  // namespace firn
