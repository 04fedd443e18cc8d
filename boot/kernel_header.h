// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The headers of arm64 kernel images: the Image itself, and the EFI zboot wrapper around a
// compressed one.
// Source: Linux Documentation/arch/arm64/booting.rst section 4;
// drivers/firmware/efi/libstub/zboot-header.S.
#ifndef FIRN_BOOT_KERNEL_HEADER_H_
#define FIRN_BOOT_KERNEL_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "boot/decompress.h"

namespace firn {

// Both headers have this size.
inline constexpr size_t kKernelHeaderSize = 64;
using KernelHeaderBytes = std::array<std::byte, kKernelHeaderSize>;

// A valid Image header: little-endian, text_offset possible, image_size not 0.
struct KernelHeader {
  // Where the image goes, counted from a 2 MiB aligned base.
  uint64_t text_offset = 0;
  // What the kernel occupies from there on, its BSS included.
  uint64_t image_size = 0;
  // 4096, 16384 or 65536; 0 where the kernel does not say.
  uint32_t page_size = 0;
};

// Checks an Image header. InvalidArgument says what the file is instead (an ELF vmlinux, an x86
// kernel, a compression that firn does not unpack), or what is wrong in the header.
absl::StatusOr<KernelHeader> ParseKernelHeader(const KernelHeaderBytes& bytes);

// True for the header of an EFI zboot image.
bool IsZboot(const KernelHeaderBytes& bytes);

// Where the compressed Image is in a zboot file, and how it is compressed.
struct ZbootPayload {
  uint64_t offset = 0;
  uint64_t size = 0;
  Compression compression = Compression::kGzip;
};

// Checks a zboot header of a file of `file_size` bytes. InvalidArgument for a payload outside the
// file, and for compressions other than gzip and zstd.
absl::StatusOr<ZbootPayload> ParseZbootHeader(const KernelHeaderBytes& bytes, uint64_t file_size);

}  // namespace firn

#endif  // FIRN_BOOT_KERNEL_HEADER_H_
