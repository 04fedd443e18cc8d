// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/layered_chunks.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"

namespace firn {

absl::StatusOr<LayeredChunks> LayeredChunks::Open(const Snapshot& snapshot, uint64_t granule) {
  const PageSet listed = snapshot.StoredPages();
  LayeredChunks chunks(granule, listed.pages());
  for (const SnapshotLayer& layer : snapshot.layers()) {
    absl::StatusOr<File> file = layer.memory.Duplicate();
    if (!file.ok()) return file.status();
    chunks.layers_.push_back({*std::move(file), layer.index});
  }
  for (PageRun run = listed.NextRun(0); run.count > 0; run = listed.NextRun(run.end())) {
    chunks.stored_.AddRun(chunks.Widen(run));
  }
  if (granule > 1) chunks.lower_.resize(kChunkSize);
  return chunks;
}

PageRun LayeredChunks::Widen(PageRun run) const {
  const uint64_t first = run.first / granule_ * granule_;
  return {first, (run.end() + granule_ - 1) / granule_ * granule_ - first};
}

std::optional<size_t> LayeredChunks::LayerListing(uint64_t page) const {
  for (size_t layer = layers_.size(); layer > 0; --layer) {
    if (layers_[layer - 1].index.pages.Contains(page)) return layer - 1;
  }
  return std::nullopt;
}

size_t LayeredChunks::LayerOf(uint64_t page) const {
  const PageRun host_page = Widen({page, 1});
  size_t layer = 0;
  for (uint64_t part = host_page.first; part < host_page.end(); ++part) {
    layer = std::max(layer, LayerListing(part).value_or(0));
  }
  return layer;
}

std::vector<PageRun> LayeredChunks::RunsOf(ChunkOfLayer unit, const PageSet& wanted) const {
  std::vector<PageRun> runs;
  const uint64_t first = unit.chunk * kChunkPages;
  const uint64_t end = std::min(first + kChunkPages, stored_.pages());
  for (uint64_t page = first; page < end; page += granule_) {
    if (!wanted.Contains(page) || LayerOf(page) != unit.layer) continue;
    if (runs.empty() || runs.back().end() != page) runs.push_back({page, 0});
    runs.back().count += granule_;
  }
  return runs;
}

absl::StatusOr<ReadCost> LayeredChunks::Read(ChunkOfLayer first, uint64_t count,
                                             const PageSet& wanted, absl::Span<std::byte> buffer) {
  const Layer& layer = layers_[first.layer];
  absl::StatusOr<ReadCost> cost = ReadChunks(layer.file, layer.index, first.chunk, count, buffer);
  if (granule_ == 1) return cost;
  for (uint64_t i = 0; cost.ok() && i < count; ++i) {
    const ChunkOfLayer unit = {first.layer, first.chunk + i};
    absl::Status status =
        FillGaps(unit, RunsOf(unit, wanted), buffer.subspan(i * kChunkSize, kChunkSize), *cost);
    if (!status.ok()) return status;
  }
  return cost;
}

absl::Status LayeredChunks::FillGaps(ChunkOfLayer unit, const std::vector<PageRun>& runs,
                                     absl::Span<std::byte> buffer, ReadCost& cost) {
  const auto page_in = [&unit](absl::Span<std::byte> chunk, uint64_t page) {
    return chunk.subspan((page - unit.chunk * kChunkPages) * kGuestPageSize, kGuestPageSize);
  };
  std::vector<std::vector<uint64_t>> from(unit.layer);  // pages, by layer
  for (const PageRun& run : runs) {
    for (uint64_t page = run.first; page < run.end(); ++page) {
      const std::optional<size_t> layer = LayerListing(page);
      if (!layer) {
        const absl::Span<std::byte> gap = page_in(buffer, page);
        std::fill(gap.begin(), gap.end(), std::byte{0});
      } else if (*layer < unit.layer) {
        from[*layer].push_back(page);
      }
    }
  }
  for (size_t layer = 0; layer < from.size(); ++layer) {
    if (from[layer].empty()) continue;
    const absl::StatusOr<ReadCost> lower = ReadChunks(layers_[layer].file, layers_[layer].index,
                                                      unit.chunk, 1, absl::MakeSpan(lower_));
    if (!lower.ok()) return lower.status();
    cost.reads += lower->reads;
    cost.bytes += lower->bytes;
    for (const uint64_t page : from[layer]) {
      absl::c_copy(page_in(absl::MakeSpan(lower_), page), page_in(buffer, page).begin());
    }
  }
  return absl::OkStatus();
}

}  // namespace firn
