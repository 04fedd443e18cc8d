// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Reads neighbouring chunks of a memory file with few calls, and checks each.
#ifndef FIRN_MIGRATION_CHUNK_READER_H_
#define FIRN_MIGRATION_CHUNK_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "migration/file.h"
#include "migration/memory_file.h"

namespace firn {

struct ReadCost {
  uint64_t reads = 0;
  uint64_t bytes = 0;
};

// Reads the listed pages of `count` chunks from `first_chunk` on, each to its place in `buffer`
// (count * kChunkSize bytes). Runs of pages that lie close together are read as one, with what is
// between them; the rest of the buffer keeps what it has. DataLoss for a wrong checksum or a file
// that ends before; errors of read keep errno. All name the file.
absl::StatusOr<ReadCost> ReadChunks(const File& file, const MemoryIndex& index,
                                    uint64_t first_chunk, uint64_t count,
                                    absl::Span<std::byte> buffer);

}  // namespace firn

#endif  // FIRN_MIGRATION_CHUNK_READER_H_
