// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Unpacks gzip and Zstandard data from a file into memory that is given, and no further.
// Source: RFC 1952 (gzip), RFC 8878 (Zstandard).
#ifndef FIRN_BOOT_DECOMPRESS_H_
#define FIRN_BOOT_DECOMPRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "boot/image_file.h"

namespace firn {

enum class Compression { kGzip, kZstd };

// "gzip" or "zstd".
std::string_view CompressionName(Compression compression);

// What data that starts with `prefix` is compressed with, by its magic number.
std::optional<Compression> DetectCompression(absl::Span<const std::byte> prefix);

// The bytes [offset, offset + size) of `file`, which lie in the file.
struct CompressedData {
  ImageFile* file = nullptr;
  uint64_t offset = 0;
  uint64_t size = 0;
  Compression compression = Compression::kGzip;
};

// Unpacks the beginning of the data into all of `prefix`; what follows is not looked at.
// InvalidArgument for corrupt data; OutOfRange for data that ends before.
absl::Status DecompressPrefix(const CompressedData& data, absl::Span<std::byte> prefix);

// Unpacks everything (all gzip members or Zstandard frames; other bytes behind them are ignored)
// to the start of `destination`, and returns its size. Memory use beyond the destination does
// not depend on the data. InvalidArgument for corrupt data, OutOfRange for truncated data;
// ResourceExhausted where the destination is too small, nothing behind it is written.
absl::StatusOr<uint64_t> Decompress(const CompressedData& data, absl::Span<std::byte> destination);

}  // namespace firn

#endif  // FIRN_BOOT_DECOMPRESS_H_
