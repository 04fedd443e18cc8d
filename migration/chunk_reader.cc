// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/chunk_reader.h"

#include <algorithm>
#include <string_view>

#include "absl/crc/crc32c.h"
#include "absl/strings/str_cat.h"

namespace firn {
namespace {

// Reading this many pages more is cheaper than another call.
constexpr uint64_t kGap = 8;

std::string_view Text(absl::Span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

// The next pages to read at once, from the first listed one at or after `page` on.
PageRun NextSpan(const PageSet& pages, uint64_t page, uint64_t end) {
  PageRun span = pages.NextRun(page, end);
  if (span.count == 0) return span;
  for (PageRun next = pages.NextRun(span.end(), end);
       next.count > 0 && next.first - span.end() <= kGap; next = pages.NextRun(next.end(), end)) {
    span.count = next.end() - span.first;
  }
  return span;
}

}  // namespace

absl::StatusOr<ReadCost> ReadChunks(const File& file, const MemoryIndex& index,
                                    uint64_t first_chunk, uint64_t count,
                                    absl::Span<std::byte> buffer) {
  const PageSet& pages = index.pages;
  const uint64_t first = first_chunk * kChunkPages;
  const uint64_t end = std::min(first + count * kChunkPages, pages.pages());
  const auto place = [&](PageRun run) {
    return buffer.subspan((run.first - first) * kGuestPageSize, run.count * kGuestPageSize);
  };
  ReadCost cost;
  for (PageRun span = NextSpan(pages, first, end); span.count > 0;
       span = NextSpan(pages, span.end(), end)) {
    absl::Status status = file.Read(span.first * kGuestPageSize, place(span));
    if (!status.ok()) return status;
    ++cost.reads;
    cost.bytes += span.count * kGuestPageSize;
  }
  for (uint64_t page = first; page < end; page += kChunkPages) {
    const uint64_t chunk_end = std::min(page + kChunkPages, end);
    PageRun run = pages.NextRun(page, chunk_end);
    if (run.count == 0) continue;
    absl::crc32c_t crc(0);
    for (; run.count > 0; run = pages.NextRun(run.end(), chunk_end)) {
      crc = absl::ExtendCrc32c(crc, Text(place(run)));
    }
    const uint64_t chunk = page / kChunkPages;
    if (static_cast<uint32_t>(crc) != index.checksums[index.checksum_index[chunk]]) {
      return absl::DataLossError(absl::StrCat(file.path(), " is damaged: checksum of bytes ",
                                              chunk * kChunkSize, " to ",
                                              (chunk + 1) * kChunkSize - 1));
    }
  }
  return cost;
}

}  // namespace firn
