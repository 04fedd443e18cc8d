// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/restored_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/memory_load.h"
#include "migration/userfault.h"
#include "migration/working_set.h"

#ifndef MADV_POPULATE_READ  // Linux 5.14
#define MADV_POPULATE_READ 22
#endif

namespace firn {
namespace {

std::string_view Name(MemoryLoad load) {
  switch (load) {
    case MemoryLoad::kMapped:
      return "mapped";
    case MemoryLoad::kEager:
      return "eager";
    case MemoryLoad::kDemand:
      return "demand";
    case MemoryLoad::kHandler:
      return "handler";
  }
  return "";
}

absl::Status AskForHugePages(const GuestMemory& memory) {
  for (const GuestMemoryRegion& region : memory.regions()) {
    if (madvise(region.host, region.range.size(), MADV_HUGEPAGE) == 0) continue;
    return Suggest(ErrnoStatus(errno, "huge pages: MADV_HUGEPAGE of guest memory"),
                   errno == EINVAL ? "this kernel is built without transparent huge pages" : "");
  }
  return absl::OkStatus();
}

// The pages of the host, which may be larger than the guest's, that have a part of `range`.
absl::Span<std::byte> HostPagesOf(absl::Span<std::byte> range) {
  const uint64_t page = HostPageSize();
  const uint64_t before = reinterpret_cast<uintptr_t>(range.data()) % page;
  return {range.data() - before, (before + range.size() + page - 1) / page * page};
}

std::string LossOf(const std::string& path) {
  return absl::StrCat("error: the memory file ", path,
                      " was cut short while the guest ran, or its disk failed; restore it again "
                      "from a whole copy");
}

}  // namespace

absl::StatusOr<std::unique_ptr<RestoredMemory>> RestoredMemory::Load(const Snapshot& snapshot,
                                                                     const RestoreRequest& request,
                                                                     GuestMemory& memory,
                                                                     LossHandler& handler,
                                                                     int end_fd) {
  auto restored = absl::WrapUnique(new RestoredMemory);
  restored->id_ = snapshot.id();
  absl::Status status;
  if (request.huge_pages) status = AskForHugePages(memory);
  if (status.ok() && request.load == MemoryLoad::kDemand) {
    status = restored->LoadOnDemand(snapshot, request, memory, handler);
  }
  if (status.ok() && request.load == MemoryLoad::kHandler) {
    status = restored->UseHandler(snapshot, request.fault_handler, memory, handler, end_fd);
  }
  if (!status.ok()) return status;
  if (restored->loader_ != nullptr || restored->handler_ != nullptr) return restored;

  const MemoryLoad load =
      request.load == MemoryLoad::kEager ? MemoryLoad::kEager : MemoryLoad::kMapped;
  restored->stats_.memory_load = Name(load);
  status = LoadMemory(snapshot, load, memory, request.progress);
  if (!status.ok()) return status;
  if (load == MemoryLoad::kEager) return restored;
  restored->guard_ =
      std::make_unique<MemoryGuard>(memory, LossOf(snapshot.layers().front().memory.path()));
  restored->PrefetchMapped(snapshot, request.prefetch, memory);
  return restored;
}

std::function<void(const absl::Status&)> RestoredMemory::GuardLoss(const GuestMemory& memory,
                                                                   LossHandler& handler) {
  guard_ = std::make_unique<MemoryGuard>(memory, "error: the guest's memory is lost");
  return [this, &handler](const absl::Status& status) {
    // Told first, the guest's threads do nothing with the zeros any more that let them out.
    handler.OnMemoryLost(status);
    guard_->AnswerWithZeros();
  };
}

absl::Status RestoredMemory::LoadOnDemand(const Snapshot& snapshot, const RestoreRequest& request,
                                          GuestMemory& memory, LossHandler& handler) {
  absl::StatusOr<Userfault> userfault = Userfault::Create();
  if (!userfault.ok()) {
    if (!request.record_path.empty()) return Annotate(userfault.status(), "recording");
    stats_.fell_back = true;
    note_ = absl::StrCat("memory is mapped, not loaded on demand: ", userfault.status().message());
    return absl::OkStatus();
  }
  record_path_ = request.record_path;
  absl::StatusOr<std::unique_ptr<DemandLoader>> loader =
      DemandLoader::Start(*std::move(userfault), snapshot, memory,
                          {.prefetch = request.prefetch,
                           .record = !record_path_.empty(),
                           .on_error = GuardLoss(memory, handler)});
  if (!loader.ok()) return loader.status();
  stats_.memory_load = Name(MemoryLoad::kDemand);
  loader_ = *std::move(loader);
  return absl::OkStatus();
}

absl::Status RestoredMemory::UseHandler(const Snapshot& snapshot, const std::string& socket,
                                        const GuestMemory& memory, LossHandler& handler,
                                        int end_fd) {
  if (snapshot.layers().size() > 1) {
    return absl::InvalidArgumentError(
        "a page fault handler knows one memory file, and this snapshot lies on others: fold them "
        "with firn compact");
  }
  absl::StatusOr<std::unique_ptr<FaultHandler>> connected = FaultHandler::Connect(
      socket, memory, {.end_fd = end_fd, .on_lost = GuardLoss(memory, handler)});
  if (!connected.ok()) return connected.status();
  stats_.memory_load = Name(MemoryLoad::kHandler);
  handler_ = *std::move(connected);
  return absl::OkStatus();
}

// What is not done is not missed: the guest's faults do it.
void RestoredMemory::PrefetchMapped(const Snapshot& snapshot, const std::vector<PageRun>& runs,
                                    const GuestMemory& memory) {
  const PageTable table(memory.regions());
  const PageSet& pages = snapshot.layers().front().index.pages;
  for (size_t i = 0; i < runs.size();) {
    // Neighbours in order are one call.
    const uint64_t first = runs[i].first;
    uint64_t end = runs[i].end();
    while (++i < runs.size() && runs[i].first == end) end = runs[i].end();
    for (PageRun run = pages.NextRun(first, end); run.count > 0;) {
      const absl::Span<std::byte> host = table.Host(run);
      const absl::Span<std::byte> whole = HostPagesOf(host);
      if (madvise(whole.data(), whole.size(), MADV_POPULATE_READ) == 0 ||
          (errno == EINVAL && madvise(whole.data(), whole.size(), MADV_WILLNEED) == 0)) {
        stats_.pages_prefetched += host.size() / kGuestPageSize;
      }
      run = pages.NextRun(run.first + host.size() / kGuestPageSize, end);
    }
  }
}

absl::Status RestoredMemory::status() const {
  if (handler_ != nullptr) return handler_->status();
  return loader_ == nullptr ? absl::OkStatus() : loader_->status();
}

void RestoredMemory::OnStopRequested() {
  if (handler_ != nullptr) handler_->EndSoon();
}

void RestoredMemory::OnStopped() {
  if (handler_ != nullptr) handler_->EndWatch();
}

absl::Status RestoredMemory::FinishLoading(const Progress& progress) {
  if (loader_ == nullptr) return absl::OkStatus();
  // What cannot be written is told when the machine ends.
  FinishRecording().IgnoreError();
  return loader_->Finish(progress);
}

absl::Status RestoredMemory::FinishRecording() {
  if (loader_ == nullptr || record_path_.empty()) return absl::OkStatus();
  const std::vector<PageRun> runs = loader_->EndRecording();
  recorded_.insert(recorded_.end(), runs.begin(), runs.end());
  absl::Status status = WriteFileAtomically(record_path_, EncodeWorkingSet({id_, recorded_}));
  if (status.ok()) record_path_.clear();
  return Annotate(status, "recording the working set");
}

absl::Status RestoredMemory::Explain(const absl::Status& vcpu_error) const {
  if (GetErrno(vcpu_error) != EFAULT || guard_ == nullptr) return vcpu_error;
  return Suggest(vcpu_error, absl::StrCat("perhaps ", guard_->message()));
}

RestoreStats RestoredMemory::stats() const {
  RestoreStats stats = stats_;
  if (loader_ != nullptr) {
    const DemandStats demand = loader_->stats();
    stats.faults = demand.faults;
    stats.pages_copied = demand.pages_copied;
    stats.pages_zeroed = demand.pages_zeroed;
    stats.pages_prefetched = demand.pages_prefetched;
    stats.reads = demand.reads;
    stats.bytes_read = demand.bytes_read;
  }
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.minor_faults = static_cast<uint64_t>(usage.ru_minflt);
    stats.major_faults = static_cast<uint64_t>(usage.ru_majflt);
  }
  return stats;
}

}  // namespace firn
