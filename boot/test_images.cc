// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/test_images.h"

#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace firn {
namespace {

template <typename T>
void StoreAt(ByteVector& bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

}  // namespace

ByteVector MakeImage(const TestImage& image) {
  ByteVector bytes(image.size);
  uint32_t noise = 1;
  for (size_t i = 64; i < bytes.size(); ++i) {
    noise = noise * 1664525 + 1013904223;
    bytes[i] = static_cast<std::byte>(i % 3 == 0 ? noise >> 24 : i / 256);
  }
  StoreAt(bytes, 8, image.text_offset);
  StoreAt(bytes, 16, image.image_size);
  StoreAt(bytes, 24, image.flags);
  StoreAt(bytes, 56, uint32_t{0x644d5241});
  return bytes;
}

ByteVector Gzip(absl::Span<const std::byte> data) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  ByteVector packed(deflateBound(&stream, data.size()) + 64);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

ByteVector Zstd(absl::Span<const std::byte> data) {
  ByteVector packed(ZSTD_compressBound(data.size()));
  const size_t size =
      ZSTD_compress(packed.data(), packed.size(), data.data(), data.size(), /*level=*/3);
  EXPECT_FALSE(ZSTD_isError(size));
  packed.resize(size);
  return packed;
}

ByteVector Zboot(absl::Span<const std::byte> payload, const std::string& compression) {
  constexpr size_t kPayloadOffset = 0x1000;
  ByteVector bytes(kPayloadOffset);
  std::memcpy(bytes.data(), "MZ", 2);
  std::memcpy(bytes.data() + 4, "zimg", 4);
  StoreAt(bytes, 8, static_cast<uint32_t>(kPayloadOffset));
  StoreAt(bytes, 12, static_cast<uint32_t>(payload.size()));
  std::memcpy(bytes.data() + 24, compression.data(), compression.size());
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize(bytes.size() + 0x200);  // sections behind the payload
  return bytes;
}

ByteVector Concatenate(absl::Span<const std::byte> a, absl::Span<const std::byte> b) {
  ByteVector both(a.begin(), a.end());
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

std::string WriteTestFile(const std::string& name, absl::Span<const std::byte> content) {
  std::string path = absl::StrCat(testing::TempDir(), name);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(file.good());
  return path;
}

}  // namespace firn
