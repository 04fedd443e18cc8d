// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The memory of a snapshot and of all that it lies on, read chunk by chunk, for hosts of any page
// size.
#ifndef FIRN_MIGRATION_LAYERED_CHUNKS_H_
#define FIRN_MIGRATION_LAYERED_CHUNKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "migration/chunk_reader.h"
#include "migration/file.h"
#include "migration/memory_file.h"
#include "migration/page_set.h"
#include "migration/snapshot.h"

namespace firn {

// One chunk of one layer: what is read and checked at once.
struct ChunkOfLayer {
  size_t layer = 0;
  uint64_t chunk = 0;
};

// A host puts whole pages of its own in place, which may be larger than the guest's. Such a page is
// put together from all layers that list a part of it, and belongs to the topmost of these.
// Thread rules: one thread at a time.
class LayeredChunks {
 public:
  // `granule`: pages of the guest in one of the host, a power of two up to kChunkPages. `snapshot`
  // is needed for the call only. Errors: those of dup.
  static absl::StatusOr<LayeredChunks> Open(const Snapshot& snapshot, uint64_t granule);

  // The host pages that `run` is in.
  PageRun Widen(PageRun run) const;
  // The host pages that some layer lists a part of.
  const PageSet& stored() const { return stored_; }
  // Where the host page of `page`, which is stored, belongs.
  ChunkOfLayer ChunkOf(uint64_t page) const { return {LayerOf(page), page / kChunkPages}; }
  // Those of the `wanted` host pages, which are stored, that belong to `unit`.
  std::vector<PageRun> RunsOf(ChunkOfLayer unit, const PageSet& wanted) const;

  // Reads `count` neighbours of one layer; what RunsOf says of `wanted` is then in `buffer`, each
  // page in its place. Errors: those of ReadChunks.
  absl::StatusOr<ReadCost> Read(ChunkOfLayer first, uint64_t count, const PageSet& wanted,
                                absl::Span<std::byte> buffer);

 private:
  struct Layer {
    File file;
    MemoryIndex index;
  };

  LayeredChunks(uint64_t granule, uint64_t pages) : granule_(granule), stored_(pages) {}

  // The topmost layer that lists `page` itself.
  std::optional<size_t> LayerListing(uint64_t page) const;
  size_t LayerOf(uint64_t page) const;
  // The parts of host pages that the layer of `unit`, whose chunk is in `buffer`, does not list.
  absl::Status FillGaps(ChunkOfLayer unit, const std::vector<PageRun>& runs,
                        absl::Span<std::byte> buffer, ReadCost& cost);

  const uint64_t granule_;
  std::vector<Layer> layers_;
  PageSet stored_;
  std::vector<std::byte> lower_;  // a chunk of a layer below
};

}  // namespace firn

#endif  // FIRN_MIGRATION_LAYERED_CHUNKS_H_
