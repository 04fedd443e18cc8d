// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The memory file of a snapshot (docs/snapshot-format.md).
#ifndef FIRN_MIGRATION_MEMORY_FILE_H_
#define FIRN_MIGRATION_MEMORY_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/guest_memory.h"
#include "migration/file.h"
#include "migration/memory.pb.h"
#include "migration/page_set.h"

namespace firn {

using SnapshotId = std::array<uint8_t, 16>;
// As messages have it.
inline std::string_view IdBytes(const SnapshotId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}
// 32 hexadecimal digits.
std::string FormatSnapshotId(const SnapshotId& id);

inline constexpr uint64_t kChunkPages = 64;
inline constexpr uint64_t kChunkSize = kChunkPages * kGuestPageSize;

// How far a save or a load has come, in bytes; may be called from any thread.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

// Whether all kGuestPageSize bytes at `page` are zero.
bool IsZeroPage(const std::byte* page);

// Where a page of the set is in the memory of this process.
class PageTable {
 public:
  explicit PageTable(absl::Span<const GuestMemoryRegion> regions);
  uint64_t pages() const { return pages_; }
  // Host memory of the pages of `run`, up to the end of the region that has the first.
  absl::Span<std::byte> Host(PageRun run) const;
  // The number of the first page of region `index`.
  uint64_t FirstPage(size_t index) const { return first_pages_[index]; }
  size_t regions() const { return regions_.size(); }
  uint64_t RegionPages(size_t index) const { return regions_[index].range.size() / kGuestPageSize; }

 private:
  absl::Span<const GuestMemoryRegion> regions_;
  std::vector<uint64_t> first_pages_;
  uint64_t pages_ = 0;
};

// Writes a memory file, in one pass or in several while the guest runs on.
class MemoryFileWriter {
 public:
  // `file` is empty, and outlives the writer, as does `memory`. With `keep_zeros` (a layer) a page
  // that is zero is listed too.
  MemoryFileWriter(const GuestMemory& memory, File& file, bool keep_zeros);

  // Sets the file's size.
  absl::Status Begin();
  // Writes these pages as they are now. A page that is written again later may change meanwhile.
  absl::Status Write(const PageSet& pages, const Progress& progress = nullptr);
  // Checksums what later passes have changed and writes the footer. Does not sync.
  absl::Status Finish(const SnapshotId& id);

  // After Finish.
  state::Memory State() const;
  uint64_t bytes_written() const { return bytes_written_; }
  uint64_t pages_listed() const { return listed_.Count(); }

 private:
  absl::Status WriteChunk(uint64_t chunk, const PageSet& pages);
  absl::Status ChecksumFromFile(uint64_t chunk);

  const PageTable table_;
  const absl::Span<const GuestMemoryRegion> regions_;
  File& file_;
  const bool keep_zeros_;
  PageSet listed_;
  PageSet stored_;                                  // those that take space in the file
  std::vector<std::optional<uint32_t>> checksums_;  // by chunk; none: not known yet
  uint64_t bytes_written_ = 0;
};

// The `memory` section of a file of these regions. `checksums` are those of the chunks that have
// pages of `listed`, ascending.
state::Memory EncodeMemory(absl::Span<const GuestRange> regions, const PageSet& listed,
                           absl::Span<const uint32_t> checksums);
// Writes the footer behind `size` bytes of pages.
absl::Status WriteMemoryFooter(File& file, uint64_t size, const SnapshotId& id);

// What a memory file says of itself, checked: its pages and their checksums.
struct MemoryIndex {
  std::vector<GuestRange> regions;
  PageSet pages{0};
  std::vector<uint32_t> checksums;       // of the chunks that have pages
  std::vector<uint32_t> checksum_index;  // by chunk: where in `checksums`; by chunks of all pages

  uint64_t size() const { return pages.pages() * kGuestPageSize; }
};

// DataLoss or InvalidArgument, naming the field.
absl::StatusOr<MemoryIndex> DecodeMemory(const state::Memory& state);

// DataLoss where `file` is not the memory file of snapshot `id` with `size` bytes before the
// footer.
absl::Status CheckMemoryFile(const File& file, const SnapshotId& id, uint64_t size);
// The id in the footer of a file of any size; DataLoss where there is none.
absl::StatusOr<SnapshotId> ReadMemoryFileId(const File& file);

// Reads the listed pages of one chunk, each to its place in `buffer` (kChunkSize bytes), and checks
// them. Pages that are not listed keep what they have. DataLoss for a wrong checksum.
absl::Status ReadChunk(const File& file, const MemoryIndex& index, uint64_t chunk,
                       absl::Span<std::byte> buffer);
// The same for all chunks into all of guest memory, whose regions are those of `index`.
absl::Status ReadMemory(const File& file, const MemoryIndex& index, const GuestMemory& memory,
                        const Progress& progress = nullptr);
// Reads and checks all chunks and keeps nothing.
absl::Status VerifyMemoryFile(const File& file, const MemoryIndex& index,
                              const Progress& progress = nullptr);

}  // namespace firn

#endif  // FIRN_MIGRATION_MEMORY_FILE_H_
