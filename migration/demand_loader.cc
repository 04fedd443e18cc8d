// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/demand_loader.h"

#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"
#include "hypervisor/thread.h"

namespace firn {
namespace {

constexpr uint64_t kChunksAtOnce = 16;  // 4 MiB
constexpr uint64_t kZerosAtOnce = 512;  // pages

}  // namespace

// ---- Before and after the thread

DemandLoader::DemandLoader(Userfault userfault, EventFd wake, LostMemory lost, GuestMemory& memory,
                           DemandOptions options)
    : table_(memory.regions()),
      regions_(memory.regions()),
      options_(std::move(options)),
      granule_(options_.host_page_size / kGuestPageSize),
      wake_(std::move(wake)),
      lost_(std::move(lost)),
      userfault_(std::move(userfault)),
      missing_(table_.pages()),
      zeroed_(table_.pages()),
      buffer_(kChunksAtOnce * kChunkSize),
      recording_(options_.record) {}

absl::StatusOr<std::unique_ptr<DemandLoader>> DemandLoader::Start(Userfault userfault,
                                                                  const Snapshot& snapshot,
                                                                  GuestMemory& memory,
                                                                  DemandOptions options) {
  absl::StatusOr<EventFd> wake = EventFd::Create();
  if (!wake.ok()) return wake.status();
  absl::StatusOr<LostMemory> lost = LostMemory::Create();
  if (!lost.ok()) return lost.status();
  auto loader = absl::WrapUnique(new DemandLoader(std::move(userfault), *std::move(wake),
                                                  *std::move(lost), memory, std::move(options)));
  absl::Status status = loader->Prepare(snapshot);
  if (status.ok()) status = loader->Prefetch(loader->options_.prefetch);
  if (!status.ok()) return status;
  const absl::StatusOr<pthread_t> thread =
      StartThread("load", "loading memory", &ThreadMain, loader.get());
  if (!thread.ok()) return thread.status();
  loader->thread_ = *thread;
  return loader;
}

absl::Status DemandLoader::Prepare(const Snapshot& snapshot) {
  for (const GuestMemoryRegion& region : regions_) {
    if (region.range.size() % options_.host_page_size == 0) continue;
    return ErrnoStatus(ENOTSUP,
                       absl::StrCat("loading memory on demand: ", region.range.size(),
                                    " bytes on a host with pages of ", options_.host_page_size));
  }
  absl::StatusOr<LayeredChunks> chunks = LayeredChunks::Open(snapshot, granule_);
  if (!chunks.ok()) return chunks.status();
  chunks_.emplace(*std::move(chunks));
  missing_ = stored();
  to_fill_ = missing_.Count();
  for (const GuestMemoryRegion& region : regions_) {
    const absl::Span<std::byte> range(region.host, region.range.size());
    absl::Status status = userfault_->Register(range);
    if (!status.ok()) return status;
    // A page that is there already would never be asked for.
    if (madvise(range.data(), range.size(), MADV_DONTNEED) != 0) {
      return ErrnoStatus(errno, "MADV_DONTNEED of guest memory");
    }
  }
  return absl::OkStatus();
}

DemandLoader::~DemandLoader() {
  if (!thread_) return;
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  wake_.Signal();
  pthread_join(*thread_, nullptr);
}

absl::Status DemandLoader::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

std::vector<PageRun> DemandLoader::EndRecording() {
  std::vector<PageRun> runs;
  {
    absl::MutexLock lock(&mutex_);
    recording_ = false;
    runs = std::move(record_);
    record_.clear();
  }
  wake_.Signal();
  return runs;
}

absl::Status DemandLoader::Finish(const Progress& progress) {
  {
    absl::MutexLock lock(&mutex_);
    recording_ = false;
    progress_ = progress;
  }
  wake_.Signal();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&done_));
  progress_ = nullptr;
  return status_;
}

DemandStats DemandLoader::stats() const {
  return {.faults = counts_.faults,
          .pages_copied = counts_.copied,
          .pages_zeroed = counts_.zeroed,
          .pages_prefetched = counts_.prefetched,
          .reads = counts_.reads,
          .bytes_read = counts_.bytes};
}

// ---- The thread

void* DemandLoader::ThreadMain(void* self) {
  DemandLoader& loader = *static_cast<DemandLoader*>(self);
  const absl::Status status = loader.Serve();
  if (!status.ok()) loader.Fail(status);
  absl::MutexLock lock(&loader.mutex_);
  loader.done_ = true;
  return nullptr;
}

absl::Status DemandLoader::Serve() {
  pollfd fds[] = {{userfault_->fd(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}};
  while (true) {
    bool fill = false;
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return absl::OkStatus();
      fill = !recording_;
    }
    if (poll(fds, std::size(fds), fill ? 0 : -1) < 0 && errno != EINTR) {
      return ErrnoStatus(errno, "poll of userfaultfd");
    }
    if (fds[1].revents != 0) wake_.Take();
    if (fds[0].revents != 0) {
      absl::Status status = ServeFaults();
      if (!status.ok()) return status;
      continue;
    }
    if (!fill) continue;
    const absl::StatusOr<bool> more = FillNext();
    if (!more.ok()) return more.status();
    if (!*more) return LetGo();
  }
}

// All that is stored is in place: what is not there is zero, as the kernel gives it.
absl::Status DemandLoader::LetGo() {
  for (const GuestMemoryRegion& region : regions_) {
    absl::Status status = userfault_->Unregister({region.host, region.range.size()});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DemandLoader::ServeFaults() {
  while (true) {
    const absl::StatusOr<std::optional<const std::byte*>> address = userfault_->ReadFault();
    if (!address.ok()) return address.status();
    if (!*address) return absl::OkStatus();
    const std::optional<uint64_t> page = PageOf(**address);
    if (!page) return absl::InternalError("userfaultfd tells of an address outside guest memory");
    ++counts_.faults;
    absl::Status status = ServeFault(chunks_->Widen({*page, 1}).first);
    if (!status.ok()) return status;
  }
}

absl::Status DemandLoader::ServeFault(uint64_t page) {
  if (missing_.Contains(page)) {
    const ChunkOfLayer unit = chunks_->ChunkOf(page);
    for (const PageRun& run : chunks_->RunsOf(unit, missing_)) {
      if (run.first <= page && page < run.end()) Record(run);
    }
    return Load(unit, 1);
  }
  if (stored().Contains(page) || zeroed_.Contains(page)) {
    // Another thread asked for it too.
    return userfault_->Wake(table_.Host({page, granule_}));
  }
  const PageRun run = ZerosAround(page);
  Record(run);
  return ZeroRun(run);
}

absl::StatusOr<bool> DemandLoader::FillNext() {
  const PageRun next = missing_.NextRun(fill_at_);
  if (next.count == 0) return false;
  fill_at_ = next.first;
  absl::Status status = Load(chunks_->ChunkOf(next.first), 1);
  if (!status.ok()) return status;
  Progress progress;
  {
    absl::MutexLock lock(&mutex_);
    progress = progress_;
  }
  if (progress) progress(counts_.copied * kGuestPageSize, to_fill_ * kGuestPageSize);
  return true;
}

absl::Status DemandLoader::Prefetch(const std::vector<PageRun>& runs) {
  std::vector<ChunkOfLayer> units;
  PageSet wanted = missing_;
  for (const PageRun& run : runs) {
    for (uint64_t page = run.first; page < run.end(); ++page) {
      if (!wanted.Contains(page)) continue;
      const ChunkOfLayer unit = chunks_->ChunkOf(page);
      units.push_back(unit);
      for (const PageRun& loaded : chunks_->RunsOf(unit, wanted)) {
        for (uint64_t at = loaded.first; at < loaded.end(); ++at) wanted.Remove(at);
      }
    }
  }
  absl::Status status;
  for (size_t i = 0; i < units.size() && status.ok();) {
    size_t end = i + 1;
    while (end < units.size() && end - i < kChunksAtOnce && units[end].layer == units[i].layer &&
           units[end].chunk == units[end - 1].chunk + 1) {
      ++end;
    }
    status = Load(units[i], end - i);
    i = end;
  }
  for (const PageRun& run : runs) {
    for (uint64_t page = run.first; page < run.end() && status.ok();) {
      PageRun zeros = {page, 0};
      while (zeros.end() < run.end() && !stored().Contains(zeros.end()) &&
             !zeroed_.Contains(zeros.end())) {
        ++zeros.count;
      }
      page = zeros.end() + 1;
      if (zeros.count > 0) status = ZeroRun(chunks_->Widen(zeros));
    }
  }
  counts_.prefetched = counts_.copied + counts_.zeroed;
  return status;
}

absl::Status DemandLoader::Load(ChunkOfLayer first, uint64_t count) {
  const absl::StatusOr<ReadCost> cost =
      chunks_->Read(first, count, missing_, absl::MakeSpan(buffer_));
  if (!cost.ok()) return cost.status();
  counts_.reads += cost->reads;
  counts_.bytes += cost->bytes;
  for (uint64_t i = 0; i < count; ++i) {
    for (PageRun run : chunks_->RunsOf({first.layer, first.chunk + i}, missing_)) {
      while (run.count > 0) {
        const absl::Span<std::byte> host = table_.Host(run);
        absl::Status status = userfault_->Copy(
            host, buffer_.data() + (run.first - first.chunk * kChunkPages) * kGuestPageSize);
        if (!status.ok()) return status;
        const uint64_t pages = host.size() / kGuestPageSize;
        for (uint64_t page = run.first; page < run.first + pages; ++page) missing_.Remove(page);
        counts_.copied += pages;
        run = {run.first + pages, run.count - pages};
      }
    }
  }
  return absl::OkStatus();
}

absl::Status DemandLoader::ZeroRun(PageRun run) {
  counts_.zeroed += run.count;
  zeroed_.AddRun(run);
  while (run.count > 0) {
    const absl::Span<std::byte> host = table_.Host(run);
    absl::Status status = userfault_->Zero(host);
    if (!status.ok()) return status;
    const uint64_t pages = host.size() / kGuestPageSize;
    run = {run.first + pages, run.count - pages};
  }
  return absl::OkStatus();
}

// ---- Loss

void DemandLoader::Fail(const absl::Status& error) {
  const absl::Status status =
      Suggest(Annotate(error, "loading the guest's memory"), "restore it again from a whole copy");
  {
    absl::MutexLock lock(&mutex_);
    status_ = status;
  }
  if (options_.on_error) options_.on_error(status);
  Lose();
  // Wakes all who wait: they touch what is lost.
  userfault_.reset();
}

void DemandLoader::Lose() {
  bool lost = true;
  for (PageRun run = missing_.NextRun(0); run.count > 0 && lost;) {
    const absl::Span<std::byte> host = table_.Host(run);
    lost = lost_.Replace(host);
    run = missing_.NextRun(run.first + host.size() / kGuestPageSize);
  }
  if (lost) return;
  // Out of mappings: then nothing is to be had any more.
  for (const GuestMemoryRegion& region : regions_) {
    LostMemory::Close({region.host, region.range.size()});
  }
}

// ---- Pages

std::optional<uint64_t> DemandLoader::PageOf(const std::byte* address) const {
  for (size_t i = 0; i < regions_.size(); ++i) {
    const std::byte* const host = regions_[i].host;
    if (address < host || address >= host + regions_[i].range.size()) continue;
    return table_.FirstPage(i) + static_cast<uint64_t>(address - host) / kGuestPageSize;
  }
  return std::nullopt;
}

PageRun DemandLoader::ZerosAround(uint64_t page) const {
  const auto is_free = [&](uint64_t other) {
    return !stored().Contains(other) && !zeroed_.Contains(other);
  };
  const uint64_t begin = page / kZerosAtOnce * kZerosAtOnce;
  const uint64_t end = std::min(begin + kZerosAtOnce, table_.pages());
  PageRun run = {page, granule_};
  while (run.first > begin && is_free(run.first - 1)) {
    --run.first;
    ++run.count;
  }
  while (run.end() < end && is_free(run.end())) ++run.count;
  return run;
}

void DemandLoader::Record(PageRun run) {
  absl::MutexLock lock(&mutex_);
  if (recording_) record_.push_back(run);
}

}  // namespace firn
