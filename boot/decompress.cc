// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/decompress.h"

// For ZSTD_d_stableOutBuffer: frames unpack in place, without a window buffer of up to 128 MiB.
#define ZSTD_STATIC_LINKING_ONLY
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"

namespace firn {
namespace {

constexpr size_t kInputChunk = 128 * 1024;

constexpr unsigned char kGzipMagic[] = {0x1f, 0x8b};
constexpr unsigned char kZstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};

bool StartsWith(absl::Span<const std::byte> data, absl::Span<const unsigned char> magic) {
  return data.size() >= magic.size() && std::memcmp(data.data(), magic.data(), magic.size()) == 0;
}

absl::Status Truncated(Compression compression) {
  return absl::OutOfRangeError(
      absl::StrCat("the ", CompressionName(compression), " data is truncated: fetch it again"));
}

absl::Status Corrupt(Compression compression, std::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat("the ", CompressionName(compression),
                                                 " data is corrupt (", cause, "): fetch it again"));
}

absl::Status TooLarge(uint64_t limit) {
  return absl::ResourceExhaustedError(absl::StrCat("unpacks to more than ", limit, " bytes"));
}

// The compressed bytes, a chunk at a time.
class Input {
 public:
  explicit Input(const CompressedData& data)
      : data_(data), chunk_(std::min<uint64_t>(kInputChunk, data.size)) {}

  // What of the chunk has not been consumed.
  absl::Span<std::byte> available() {
    return absl::MakeSpan(chunk_).subspan(begin_, end_ - begin_);
  }
  void Consume(size_t size) { begin_ += size; }
  bool at_end() const { return begin_ == end_ && position_ == data_.size; }

  // Reads the next bytes, where any are left, behind those that are available.
  absl::Status Fill() {
    std::memmove(chunk_.data(), chunk_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    const size_t size = std::min<uint64_t>(chunk_.size() - end_, data_.size - position_);
    absl::Status status =
        data_.file->ReadAt(data_.offset + position_, absl::MakeSpan(chunk_).subspan(end_, size));
    if (!status.ok()) return status;
    position_ += size;
    end_ += size;
    return absl::OkStatus();
  }

  // Another gzip member or Zstandard frame follows.
  absl::StatusOr<bool> AnotherFollows() {
    if (absl::Status status = Fill(); !status.ok()) return status;
    return DetectCompression(available()) == data_.compression;
  }

 private:
  const CompressedData data_;
  std::vector<std::byte> chunk_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t position_ = 0;
};

// A zlib stream that reads gzip.
class GzipStream {
 public:
  // 16 asks for gzip's header and trailer instead of zlib's.
  GzipStream() { ok_ = inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK; }
  ~GzipStream() {
    if (ok_) inflateEnd(&stream_);
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  bool ok() const { return ok_; }
  z_stream& operator*() { return stream_; }
  z_stream* operator->() { return &stream_; }

 private:
  z_stream stream_ = {};
  bool ok_;
};

// Unpacks into `destination`; where that is full, `stop_when_full` ends it, else one byte more
// is an error.
absl::StatusOr<uint64_t> Gunzip(const CompressedData& data, absl::Span<std::byte> destination,
                                bool stop_when_full) {
  GzipStream stream;
  if (!stream.ok()) return absl::UnavailableError("no memory for zlib");
  Input input(data);
  uint64_t written = 0;
  while (true) {
    if (input.available().empty()) {
      if (input.at_end()) return Truncated(data.compression);
      if (absl::Status status = input.Fill(); !status.ok()) return status;
    }
    // A full destination is told from a stream that ends right there by one byte of room more.
    std::byte spare;
    const bool full = written == destination.size();
    absl::Span<std::byte> room = full ? absl::MakeSpan(&spare, 1) : destination.subspan(written);
    room = room.first(std::min<size_t>(room.size(), std::numeric_limits<uInt>::max()));
    const absl::Span<std::byte> available = input.available();
    stream->next_in = reinterpret_cast<Bytef*>(available.data());
    stream->avail_in = static_cast<uInt>(available.size());
    stream->next_out = reinterpret_cast<Bytef*>(room.data());
    stream->avail_out = static_cast<uInt>(room.size());
    const int result = inflate(&*stream, Z_NO_FLUSH);
    input.Consume(available.size() - stream->avail_in);
    const size_t produced = room.size() - stream->avail_out;
    if (full && produced != 0) return TooLarge(destination.size());
    written += produced;
    if (stop_when_full && written == destination.size()) return written;
    switch (result) {
      case Z_OK:
      case Z_BUF_ERROR:  // no progress possible without more input
        break;
      case Z_STREAM_END: {
        const absl::StatusOr<bool> another = input.AnotherFollows();
        if (!another.ok()) return another.status();
        if (!*another) return written;
        inflateReset(&*stream);
        break;
      }
      case Z_MEM_ERROR:
        return absl::UnavailableError("no memory for zlib");
      default:
        return Corrupt(data.compression, stream->msg != nullptr ? stream->msg : "zlib");
    }
  }
}

struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using ZstdContext = std::unique_ptr<ZSTD_DCtx, FreeZstd>;

absl::StatusOr<uint64_t> Unzstd(const CompressedData& data, absl::Span<std::byte> destination,
                                bool stop_when_full) {
  ZstdContext context(ZSTD_createDCtx());
  if (context == nullptr) return absl::UnavailableError("no memory for Zstandard");
  // A prefix does not hold its frame, and takes a window; its pages stay untouched for the most.
  if (!stop_when_full) ZSTD_DCtx_setParameter(context.get(), ZSTD_d_stableOutBuffer, 1);
  Input input(data);
  ZSTD_outBuffer output = {destination.data(), destination.size(), 0};
  while (true) {
    if (input.available().empty()) {
      if (input.at_end()) return Truncated(data.compression);
      if (absl::Status status = input.Fill(); !status.ok()) return status;
    }
    const absl::Span<std::byte> available = input.available();
    ZSTD_inBuffer in = {available.data(), available.size(), 0};
    const size_t before = output.pos;
    const size_t result = ZSTD_decompressStream(context.get(), &output, &in);
    input.Consume(in.pos);
    if (ZSTD_isError(result)) {
      switch (ZSTD_getErrorCode(result)) {
        case ZSTD_error_dstSize_tooSmall:
        case ZSTD_error_noForwardProgress_destFull:
          return TooLarge(destination.size());
        case ZSTD_error_memory_allocation:
          return absl::UnavailableError("no memory for Zstandard");
        default:
          return Corrupt(data.compression, ZSTD_getErrorName(result));
      }
    }
    if (stop_when_full && output.pos == output.size) return output.pos;
    if (result == 0) {
      const absl::StatusOr<bool> another = input.AnotherFollows();
      if (!another.ok()) return another.status();
      if (!*another) return output.pos;
    } else if (in.pos == 0 && output.pos == before) {
      if (output.pos == output.size) return TooLarge(destination.size());
      return Corrupt(data.compression, "no progress");
    }
  }
}

absl::StatusOr<uint64_t> Unpack(const CompressedData& data, absl::Span<std::byte> destination,
                                bool stop_when_full) {
  switch (data.compression) {
    case Compression::kGzip:
      return Gunzip(data, destination, stop_when_full);
    case Compression::kZstd:
      return Unzstd(data, destination, stop_when_full);
  }
  return absl::InternalError("unknown compression");
}

}  // namespace

std::string_view CompressionName(Compression compression) {
  return compression == Compression::kGzip ? "gzip" : "zstd";
}

std::optional<Compression> DetectCompression(absl::Span<const std::byte> prefix) {
  if (StartsWith(prefix, kGzipMagic)) return Compression::kGzip;
  if (StartsWith(prefix, kZstdMagic)) return Compression::kZstd;
  return std::nullopt;
}

absl::Status DecompressPrefix(const CompressedData& data, absl::Span<std::byte> prefix) {
  const absl::StatusOr<uint64_t> written = Unpack(data, prefix, /*stop_when_full=*/true);
  if (!written.ok()) return written.status();
  if (*written < prefix.size()) {
    return absl::OutOfRangeError(absl::StrCat("unpacks to ", *written, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Decompress(const CompressedData& data, absl::Span<std::byte> destination) {
  return Unpack(data, destination, /*stop_when_full=*/false);
}

}  // namespace firn
