// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/memory_file.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "absl/crc/crc32c.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace firn {
namespace {

constexpr std::string_view kFooterMagic = "FIRNPAGE";
constexpr uint64_t kMaximumPages = uint64_t{1} << 28;  // 1 TiB: 32 MiB of bitmap
constexpr int kMaximumRegions = 64;

struct Footer {
  char magic[8];
  uint64_t size;
  uint8_t id[16];
  uint32_t crc;
  uint32_t zero;  // no padding of this process's stack in the file
};
static_assert(sizeof(Footer) == 40);
static_assert(offsetof(Footer, crc) == 32);

std::string_view Text(absl::Span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

uint32_t FooterCrc(const Footer& footer) {
  return static_cast<uint32_t>(absl::ComputeCrc32c(
      std::string_view(reinterpret_cast<const char*>(&footer), offsetof(Footer, crc))));
}

PageRun ChunkRun(uint64_t chunk, uint64_t pages) {
  const uint64_t first = chunk * kChunkPages;
  return {first, std::min(kChunkPages, pages - first)};
}

uint64_t ChunksOf(uint64_t pages) { return (pages + kChunkPages - 1) / kChunkPages; }

// The runs of `pages` within `within`.
void ForEachRun(const PageSet& pages, PageRun within, absl::FunctionRef<void(PageRun)> visit) {
  for (PageRun run = pages.NextRun(within.first, within.end()); run.count > 0;
       run = pages.NextRun(run.end(), within.end())) {
    visit(run);
  }
}

// Reads and checks the listed pages of `chunk`, each run to where `place` says, which may return
// less than the run.
absl::Status ReadListed(const File& file, const MemoryIndex& index, uint64_t chunk,
                        absl::FunctionRef<absl::Span<std::byte>(PageRun)> place) {
  absl::crc32c_t crc(0);
  absl::Status status;
  bool any = false;
  ForEachRun(index.pages, ChunkRun(chunk, index.pages.pages()), [&](PageRun run) {
    while (run.count > 0 && status.ok()) {
      const absl::Span<std::byte> host = place(run);
      status = file.Read(run.first * kGuestPageSize, host);
      if (!status.ok()) return;
      crc = absl::ExtendCrc32c(crc, Text(host));
      run = {run.first + host.size() / kGuestPageSize, run.count - host.size() / kGuestPageSize};
      any = true;
    }
  });
  if (!status.ok() || !any) return status;
  if (static_cast<uint32_t>(crc) == index.checksums[index.checksum_index[chunk]]) {
    return absl::OkStatus();
  }
  const uint64_t first = chunk * kChunkSize;
  return absl::DataLossError(absl::StrCat(file.path(), " is damaged: checksum of bytes ", first,
                                          " to ", first + kChunkSize - 1));
}

}  // namespace

bool IsZeroPage(const std::byte* page) {
  uint64_t words[8];
  for (uint64_t offset = 0; offset < kGuestPageSize; offset += sizeof(words)) {
    memcpy(words, page + offset, sizeof(words));
    if ((words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7]) !=
        0) {
      return false;
    }
  }
  return true;
}

std::string FormatSnapshotId(const SnapshotId& id) {
  return absl::BytesToHexString(
      std::string_view(reinterpret_cast<const char*>(id.data()), id.size()));
}

PageTable::PageTable(absl::Span<const GuestMemoryRegion> regions) : regions_(regions) {
  for (const GuestMemoryRegion& region : regions) {
    first_pages_.push_back(pages_);
    pages_ += region.range.size() / kGuestPageSize;
  }
}

absl::Span<std::byte> PageTable::Host(PageRun run) const {
  const auto above = std::upper_bound(first_pages_.begin(), first_pages_.end(), run.first);
  const size_t index = static_cast<size_t>(above - first_pages_.begin()) - 1;
  const uint64_t skip = run.first - first_pages_[index];
  const uint64_t count = std::min(run.count, RegionPages(index) - skip);
  return absl::MakeSpan(regions_[index].host + skip * kGuestPageSize, count * kGuestPageSize);
}

MemoryFileWriter::MemoryFileWriter(const GuestMemory& memory, File& file, bool keep_zeros)
    : table_(memory.regions()),
      regions_(memory.regions()),
      file_(file),
      keep_zeros_(keep_zeros),
      listed_(table_.pages()),
      stored_(table_.pages()),
      checksums_(ChunksOf(table_.pages())) {}

absl::Status MemoryFileWriter::Begin() {
  return file_.Truncate((table_.pages() + 1) * kGuestPageSize);
}

absl::Status MemoryFileWriter::Write(const PageSet& pages, const Progress& progress) {
  const uint64_t total = pages.Count() * kGuestPageSize;
  uint64_t done = 0;
  for (PageRun run = pages.NextRun(0); run.count > 0;) {
    const uint64_t chunk = run.first / kChunkPages;
    if (absl::Status status = WriteChunk(chunk, pages); !status.ok()) return status;
    if (progress) {
      ForEachRun(pages, ChunkRun(chunk, pages.pages()),
                 [&](PageRun r) { done += r.count * kGuestPageSize; });
      progress(done, total);
    }
    run = pages.NextRun((chunk + 1) * kChunkPages);
  }
  return absl::OkStatus();
}

absl::Status MemoryFileWriter::WriteChunk(uint64_t chunk, const PageSet& pages) {
  const PageRun whole = ChunkRun(chunk, pages.pages());
  bool is_first_pass = true;
  ForEachRun(listed_, whole, [&](PageRun) { is_first_pass = false; });
  PageSet to_store(kChunkPages);
  absl::crc32c_t crc(0);
  ForEachRun(pages, whole, [&](PageRun run) {
    for (uint64_t page = run.first; page < run.end(); ++page) {
      const absl::Span<std::byte> host = table_.Host({page, 1});
      const bool is_zero = IsZeroPage(host.data());
      if (is_zero && !keep_zeros_ && !stored_.Contains(page)) continue;
      if (!is_zero || stored_.Contains(page)) to_store.Add(page - whole.first);
      listed_.Add(page);
      crc = absl::ExtendCrc32c(crc, Text(host));
    }
  });
  absl::Status status;
  for (const PageRun& local : to_store.Runs()) {
    PageRun run = {whole.first + local.first, local.count};
    stored_.AddRun(run);
    while (run.count > 0) {
      const absl::Span<std::byte> host = table_.Host(run);
      status = file_.Write(run.first * kGuestPageSize, host);
      if (!status.ok()) return status;
      bytes_written_ += host.size();
      run = {run.first + host.size() / kGuestPageSize, run.count - host.size() / kGuestPageSize};
    }
  }
  checksums_[chunk].reset();
  if (is_first_pass) checksums_[chunk] = static_cast<uint32_t>(crc);
  return absl::OkStatus();
}

absl::Status MemoryFileWriter::ChecksumFromFile(uint64_t chunk) {
  std::vector<std::byte> buffer(kChunkSize);
  absl::crc32c_t crc(0);
  absl::Status status;
  ForEachRun(listed_, ChunkRun(chunk, listed_.pages()), [&](PageRun run) {
    if (!status.ok()) return;
    const absl::Span<std::byte> data =
        absl::MakeSpan(buffer).first(static_cast<size_t>(run.count * kGuestPageSize));
    status = file_.Read(run.first * kGuestPageSize, data);
    if (status.ok()) crc = absl::ExtendCrc32c(crc, Text(data));
  });
  checksums_[chunk] = static_cast<uint32_t>(crc);
  return status;
}

absl::Status MemoryFileWriter::Finish(const SnapshotId& id) {
  for (PageRun run = listed_.NextRun(0); run.count > 0;) {
    const uint64_t chunk = run.first / kChunkPages;
    if (!checksums_[chunk]) {
      if (absl::Status status = ChecksumFromFile(chunk); !status.ok()) return status;
    }
    run = listed_.NextRun((chunk + 1) * kChunkPages);
  }
  return WriteMemoryFooter(file_, table_.pages() * kGuestPageSize, id);
}

state::Memory MemoryFileWriter::State() const {
  std::vector<GuestRange> ranges;
  for (const GuestMemoryRegion& region : regions_) ranges.push_back(region.range);
  std::vector<uint32_t> checksums;
  for (PageRun run = listed_.NextRun(0); run.count > 0;) {
    const uint64_t chunk = run.first / kChunkPages;
    checksums.push_back(checksums_[chunk].value_or(0));
    run = listed_.NextRun((chunk + 1) * kChunkPages);
  }
  return EncodeMemory(ranges, listed_, checksums);
}

state::Memory EncodeMemory(absl::Span<const GuestRange> regions, const PageSet& listed,
                           absl::Span<const uint32_t> checksums) {
  state::Memory memory;
  memory.set_page_size(kGuestPageSize);
  memory.set_chunk_pages(kChunkPages);
  for (const GuestRange& range : regions) {
    state::MemoryRegion& out = *memory.add_regions();
    out.set_address(range.base().value);
    out.set_size(range.size());
  }
  for (const uint64_t number : EncodeRuns(listed)) memory.add_pages(number);
  for (const uint32_t checksum : checksums) memory.add_checksums(checksum);
  return memory;
}

absl::Status WriteMemoryFooter(File& file, uint64_t size, const SnapshotId& id) {
  Footer footer = {.magic = {}, .size = size, .id = {}, .crc = 0, .zero = 0};
  kFooterMagic.copy(footer.magic, sizeof(footer.magic));
  std::copy(id.begin(), id.end(), footer.id);
  footer.crc = FooterCrc(footer);
  return file.Write(
      size, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&footer), sizeof(footer)));
}

absl::StatusOr<MemoryIndex> DecodeMemory(const state::Memory& state) {
  if (state.page_size() != kGuestPageSize || state.chunk_pages() != kChunkPages) {
    return absl::InvalidArgumentError(absl::StrCat("memory: pages of ", state.page_size(),
                                                   " bytes in chunks of ", state.chunk_pages(),
                                                   ", this firn has 4096 and 64"));
  }
  if (state.regions_size() == 0 || state.regions_size() > kMaximumRegions) {
    return absl::DataLossError(absl::StrCat("memory: ", state.regions_size(), " regions"));
  }
  MemoryIndex index;
  uint64_t pages = 0;
  for (const state::MemoryRegion& region : state.regions()) {
    const std::optional<GuestRange> range =
        GuestRange::Create(GuestAddress(region.address()), region.size());
    // In ascending order: pages are numbered so, and no two regions share one.
    const uint64_t lowest = index.regions.empty() ? 0 : index.regions.back().end().value;
    if (!range || region.size() % kGuestPageSize != 0 || region.size() == 0 ||
        region.address() % kGuestPageSize != 0 || region.address() < lowest ||
        region.size() / kGuestPageSize > kMaximumPages - pages) {
      return absl::DataLossError(
          absl::StrCat("memory: region of ", region.size(), " bytes at ", region.address()));
    }
    pages += region.size() / kGuestPageSize;
    index.regions.push_back(*range);
  }
  absl::StatusOr<PageSet> set = DecodeRuns(state.pages(), pages);
  if (!set.ok()) return set.status();
  index.pages = *std::move(set);
  index.checksum_index.resize(ChunksOf(pages));
  uint32_t chunks = 0;
  for (PageRun run = index.pages.NextRun(0); run.count > 0;) {
    const uint64_t chunk = run.first / kChunkPages;
    index.checksum_index[chunk] = chunks++;
    run = index.pages.NextRun((chunk + 1) * kChunkPages);
  }
  if (chunks != static_cast<uint64_t>(state.checksums_size())) {
    return absl::DataLossError("memory: the number of checksums does not fit the list of pages");
  }
  index.checksums.assign(state.checksums().begin(), state.checksums().end());
  return index;
}

absl::StatusOr<SnapshotId> ReadMemoryFileId(const File& file) {
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  Footer footer;
  const absl::Status not_one = absl::DataLossError(
      absl::StrCat(file.path(), " is not a memory file of a snapshot, or not whole: it has ", *size,
                   " bytes, and no footer at the end"));
  if (*size < kGuestPageSize || *size % kGuestPageSize != 0) return not_one;
  std::vector<std::byte> page(kGuestPageSize);
  absl::Status status = file.Read(*size - kGuestPageSize, absl::MakeSpan(page));
  if (!status.ok()) return status;
  memcpy(&footer, page.data(), sizeof(footer));
  const bool rest_is_zero = std::all_of(page.begin() + sizeof(uint32_t) + offsetof(Footer, crc),
                                        page.end(), [](std::byte b) { return b == std::byte{0}; });
  if (std::string_view(footer.magic, sizeof(footer.magic)) != kFooterMagic ||
      footer.crc != FooterCrc(footer) || footer.size != *size - kGuestPageSize || !rest_is_zero) {
    return not_one;
  }
  SnapshotId id;
  std::copy(std::begin(footer.id), std::end(footer.id), id.begin());
  return id;
}

absl::Status CheckMemoryFile(const File& file, const SnapshotId& id, uint64_t size) {
  const absl::StatusOr<SnapshotId> found = ReadMemoryFileId(file);
  if (!found.ok()) return found.status();
  const absl::StatusOr<uint64_t> file_size = file.Size();
  if (!file_size.ok()) return file_size.status();
  if (*found != id || *file_size != size + kGuestPageSize) {
    return absl::DataLossError(absl::StrCat(file.path(), " is the memory of another snapshot (",
                                            FormatSnapshotId(*found), ", not ",
                                            FormatSnapshotId(id), ")"));
  }
  return absl::OkStatus();
}

absl::Status ReadChunk(const File& file, const MemoryIndex& index, uint64_t chunk,
                       absl::Span<std::byte> buffer) {
  return ReadListed(file, index, chunk, [&](PageRun run) {
    return buffer.subspan((run.first - chunk * kChunkPages) * kGuestPageSize,
                          run.count * kGuestPageSize);
  });
}

namespace {

absl::Status ForEachChunk(const MemoryIndex& index, const Progress& progress,
                          absl::FunctionRef<absl::Status(uint64_t)> visit) {
  const uint64_t total = index.checksums.size() * kChunkSize;
  uint64_t done = 0;
  for (PageRun run = index.pages.NextRun(0); run.count > 0;) {
    const uint64_t chunk = run.first / kChunkPages;
    if (absl::Status status = visit(chunk); !status.ok()) return status;
    done += kChunkSize;
    if (progress) progress(done, total);
    run = index.pages.NextRun((chunk + 1) * kChunkPages);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadMemory(const File& file, const MemoryIndex& index, const GuestMemory& memory,
                        const Progress& progress) {
  const PageTable table(memory.regions());
  return ForEachChunk(index, progress, [&](uint64_t chunk) {
    return ReadListed(file, index, chunk, [&](PageRun run) { return table.Host(run); });
  });
}

absl::Status VerifyMemoryFile(const File& file, const MemoryIndex& index,
                              const Progress& progress) {
  std::vector<std::byte> buffer(kChunkSize);
  return ForEachChunk(index, progress, [&](uint64_t chunk) {
    return ReadChunk(file, index, chunk, absl::MakeSpan(buffer));
  });
}

}  // namespace firn
