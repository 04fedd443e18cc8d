// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/compact.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/crc/crc32c.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "migration/chain.h"
#include "migration/snapshot_writer.h"

namespace firn {
namespace {

// Folds the memory files of a chain into one, a chunk at a time.
class MemoryFold {
 public:
  MemoryFold(const Snapshot& chain, File& out)
      : chain_(chain),
        out_(out),
        stored_(chain.StoredPages()),
        listed_(stored_.pages()),
        buffer_(kChunkSize) {}

  absl::Status Run(const SnapshotId& id, const Progress& progress) {
    const uint64_t size = stored_.pages() * kGuestPageSize;
    absl::Status status = out_.Truncate(size + kGuestPageSize);
    const uint64_t total = stored_.Count() * kGuestPageSize;
    uint64_t done = 0;
    for (PageRun run = stored_.NextRun(0); run.count > 0 && status.ok();) {
      const uint64_t chunk = run.first / kChunkPages;
      status = Fold(chunk);
      const uint64_t end = std::min((chunk + 1) * kChunkPages, stored_.pages());
      for (run = stored_.NextRun(run.first, end); run.count > 0;
           run = stored_.NextRun(run.end(), end)) {
        done += run.count * kGuestPageSize;
      }
      run = stored_.NextRun(end);
      if (progress) progress(done, total);
    }
    return status.ok() ? WriteMemoryFooter(out_, size, id) : status;
  }

  state::Memory State() const { return EncodeMemory(chain_.regions(), listed_, checksums_); }
  CompactedSnapshot result() const { return {listed_.Count(), bytes_written_}; }

 private:
  absl::Status Fold(uint64_t chunk) {
    std::fill(buffer_.begin(), buffer_.end(), std::byte{0});
    // From the base up: each layer covers what is below.
    for (const SnapshotLayer& layer : chain_.layers()) {
      absl::Status status = ReadChunk(layer.memory, layer.index, chunk, absl::MakeSpan(buffer_));
      if (!status.ok()) return status;
    }
    const uint64_t first = chunk * kChunkPages;
    const uint64_t end = std::min(first + kChunkPages, stored_.pages());
    for (uint64_t page = first; page < end; ++page) {
      // A page that a layer has zeroed becomes a hole: nothing is left below that it must cover.
      if (!IsZeroPage(PageData({page, 1}).data())) listed_.Add(page);
    }
    absl::crc32c_t crc(0);
    bool any = false;
    for (PageRun run = listed_.NextRun(first, end); run.count > 0;
         run = listed_.NextRun(run.end(), end)) {
      const absl::Span<const std::byte> data = PageData(run);
      absl::Status status = out_.Write(run.first * kGuestPageSize, data);
      if (!status.ok()) return status;
      crc = absl::ExtendCrc32c(crc, {reinterpret_cast<const char*>(data.data()), data.size()});
      bytes_written_ += data.size();
      any = true;
    }
    if (any) checksums_.push_back(static_cast<uint32_t>(crc));
    return absl::OkStatus();
  }

  // Where the pages of `run`, all of one chunk, are in the buffer.
  absl::Span<const std::byte> PageData(PageRun run) const {
    return absl::MakeConstSpan(buffer_).subspan(run.first % kChunkPages * kGuestPageSize,
                                                run.count * kGuestPageSize);
  }

  const Snapshot& chain_;
  File& out_;
  const PageSet stored_;
  PageSet listed_;
  std::vector<uint32_t> checksums_;
  std::vector<std::byte> buffer_;
  uint64_t bytes_written_ = 0;
};

// The state of the top of `chain`, as that of full snapshot `id` at `paths`. All sections but two
// stay byte for byte, those that this firn does not know as well.
StateFile FullState(const Snapshot& chain, const SnapshotPaths& paths, const SnapshotId& id,
                    const state::Memory& memory) {
  state::Manifest manifest = chain.manifest();
  manifest.set_id(std::string(IdBytes(id)));
  manifest.clear_parent();
  manifest.set_memory_path(RelativeTo(FolderOf(paths.state), paths.memory));
  StateFile state = chain.state();
  for (StateSection& section : state.sections) {
    if (section.name == "manifest") section.content = manifest.SerializeAsString();
    if (section.name == "memory") section.content = memory.SerializeAsString();
  }
  return state;
}

// Another snapshot may have been saved to the chain's top while its memory was read.
absl::Status CheckStillThere(FileCalls& calls, const Snapshot& chain) {
  const absl::StatusOr<std::unique_ptr<Snapshot>> now =
      Snapshot::Open(calls, chain.paths().state, chain.paths().memory);
  if (!now.ok()) return now.status();
  if ((*now)->id() == chain.id()) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat(chain.paths().state, " was replaced by another snapshot meanwhile"));
}

}  // namespace

absl::StatusOr<CompactedSnapshot> Compact(FileCalls& calls, const Snapshot& chain,
                                          const SnapshotPaths& paths, const SnapshotId& id,
                                          const Progress& progress) {
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> files = SnapshotWriter::Begin(calls, paths, id);
  if (!files.ok()) return files.status();
  MemoryFold fold(chain, (*files)->memory());
  absl::Status status = fold.Run(id, progress);
  if (paths.state == chain.paths().state) {
    if (status.ok()) status = CheckStillThere(calls, chain);
    if (status.ok()) status = CheckNoLayerOn(calls, chain);
  }
  if (status.ok()) status = (*files)->Publish(FullState(chain, paths, id, fold.State()));
  if (!status.ok()) return status;
  return fold.result();
}

}  // namespace firn
