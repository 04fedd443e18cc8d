// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/kernel_header.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firn {
namespace {

// Offsets of the Image header's fields.
constexpr size_t kTextOffset = 8;
constexpr size_t kImageSize = 16;
constexpr size_t kFlags = 24;
constexpr size_t kMagic = 56;
constexpr uint32_t kMagicValue = 0x644d5241;  // "ARM\x64"

// Bits of the flags.
constexpr uint64_t kFlagBigEndian = 1;
constexpr int kFlagPageSizeShift = 1;

// arch/arm64 never built another text_offset than a multiple of 4 KiB below 2 MiB.
constexpr uint64_t kTextOffsetAlignment = 4096;
constexpr uint64_t kTextOffsetLimit = uint64_t{2} << 20;

// Offsets of the zboot header's fields; "MZ" is at 0.
constexpr size_t kZbootType = 4;
constexpr size_t kZbootPayloadOffset = 8;
constexpr size_t kZbootPayloadSize = 12;
constexpr size_t kZbootCompression = 24;
constexpr size_t kZbootCompressionSize = 32;

constexpr std::string_view kRemedy =
    "give the arch/arm64/boot/Image of a kernel build, or an "
    "arm64 distribution's vmlinuz";

template <typename T>
T LoadLittleEndian(const KernelHeaderBytes& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;  // firn's hosts are little-endian, as guest_memory.h says
}

bool HasAt(const KernelHeaderBytes& bytes, size_t offset, std::string_view text) {
  return std::memcmp(bytes.data() + offset, text.data(), text.size()) == 0;
}

// What people hand over by mistake, by the start of the file.
struct Lookalike {
  std::string_view magic;
  std::string_view what;
};
constexpr Lookalike kLookalikes[] = {
    {"\x7f"
     "ELF",
     "is an ELF file, the kernel before its conversion (vmlinux)"},
    {std::string_view("\xfd"
                      "7zXZ\0",
                      6),
     "is compressed with xz, which firn does not unpack"},
    {"BZh", "is compressed with bzip2, which firn does not unpack"},
    {std::string_view("\x02\x21\x4c\x18", 4), "is compressed with lz4, which firn does not unpack"},
    {std::string_view("\x04\x22\x4d\x18", 4), "is compressed with lz4, which firn does not unpack"},
    {std::string_view("\x89LZO", 4), "is compressed with lzo, which firn does not unpack"},
    {"\xd0\x0d\xfe\xed", "is a flattened devicetree or a U-Boot FIT image"},
    {"\x27\x05\x19\x56", "is a U-Boot uImage"},
    {"!<arch>", "is an archive or a Debian package"},
    {"070701", "is a cpio archive, an initrd"},
    {"MZ", "is an EFI program, but no arm64 kernel (one for another architecture?)"},
};

}  // namespace

absl::StatusOr<KernelHeader> ParseKernelHeader(const KernelHeaderBytes& bytes) {
  if (LoadLittleEndian<uint32_t>(bytes, kMagic) != kMagicValue) {
    for (const Lookalike& lookalike : kLookalikes) {
      if (HasAt(bytes, 0, lookalike.magic)) {
        return absl::InvalidArgumentError(absl::StrCat(lookalike.what, ": ", kRemedy));
      }
    }
    return absl::InvalidArgumentError(
        absl::StrFormat("is not an arm64 kernel image (no magic number 0x%x at byte %d): %s",
                        kMagicValue, kMagic, kRemedy));
  }
  const uint64_t flags = LoadLittleEndian<uint64_t>(bytes, kFlags);
  KernelHeader header = {.text_offset = LoadLittleEndian<uint64_t>(bytes, kTextOffset),
                         .image_size = LoadLittleEndian<uint64_t>(bytes, kImageSize)};
  if (header.image_size == 0) {
    return absl::InvalidArgumentError(
        "does not say how much memory it takes (image_size 0 in its header), as kernels before "
        "Linux 3.17: use a newer kernel");
  }
  if (header.image_size < kKernelHeaderSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("has image_size ", header.image_size,
                     " in its header, less than the header itself: the file is corrupt, fetch it "
                     "again"));
  }
  if (flags & kFlagBigEndian) {
    return absl::InvalidArgumentError(
        "is big-endian (flags in its header): build it with CONFIG_CPU_LITTLE_ENDIAN");
  }
  if (header.text_offset % kTextOffsetAlignment != 0 || header.text_offset >= kTextOffsetLimit) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "has text_offset 0x%x in its header, which is not a multiple of 4 KiB below 2 MiB: the "
        "file is corrupt, fetch it again",
        header.text_offset));
  }
  if (const unsigned size = flags >> kFlagPageSizeShift & 3; size != 0) {
    header.page_size = 1024u << 2 * size;
  }
  return header;
}

bool IsZboot(const KernelHeaderBytes& bytes) {
  return HasAt(bytes, 0, "MZ") && HasAt(bytes, kZbootType, "zimg");
}

absl::StatusOr<ZbootPayload> ParseZbootHeader(const KernelHeaderBytes& bytes, uint64_t file_size) {
  ZbootPayload payload = {.offset = LoadLittleEndian<uint32_t>(bytes, kZbootPayloadOffset),
                          .size = LoadLittleEndian<uint32_t>(bytes, kZbootPayloadSize)};
  if (payload.offset < kKernelHeaderSize || payload.size == 0 || payload.offset > file_size ||
      payload.size > file_size - payload.offset) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "is an EFI zboot image whose payload, %d bytes from byte %d on, is not in the file of %d "
        "bytes: is it truncated?",
        payload.size, payload.offset, file_size));
  }
  const char* const field = reinterpret_cast<const char*>(bytes.data()) + kZbootCompression;
  const std::string_view compression(field, strnlen(field, kZbootCompressionSize));
  if (compression == "gzip") {
    payload.compression = Compression::kGzip;
  } else if (compression == "zstd" || compression == "zstd22") {
    payload.compression = Compression::kZstd;
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "is an EFI zboot image compressed with \"", absl::CHexEscape(compression),
        "\", firn unpacks gzip and zstd: build it with CONFIG_KERNEL_GZIP or CONFIG_KERNEL_ZSTD"));
  }
  return payload;
}

}  // namespace firn
