// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Loads an arm64 Linux kernel into guest memory: a raw Image, one compressed with gzip or zstd,
// or an EFI zboot image.
#ifndef FIRN_BOOT_KERNEL_H_
#define FIRN_BOOT_KERNEL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "arch-aarch64/memory_layout.h"
#include "boot/image_file.h"
#include "boot/kernel_header.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"

namespace firn {

struct LoadedKernel {
  // The first instruction.
  GuestAddress entry;
  // What the kernel occupies until it has read its memory map, its BSS included.
  GuestRange range;
  KernelHeader header;
  // "Image", "gzip", "zstd", "zboot gzip" or "zboot zstd".
  std::string_view format;
};

// Writes the kernel to `layout`'s kernel space, straight into guest memory; the memory behind it
// is left as it is. Errors name `path`, the cause and what to do, and leave the memory in an
// unspecified state: InvalidArgument for a file that is not a kernel or a damaged one,
// ResourceExhausted for one larger than the memory; errors of system calls keep errno.
absl::StatusOr<LoadedKernel> LoadKernel(const std::string& path, const MemoryLayout& layout,
                                        GuestMemory& memory);

// The same from an open file; errors do not name it.
absl::StatusOr<LoadedKernel> LoadKernel(ImageFile& file, const MemoryLayout& layout,
                                        GuestMemory& memory);

}  // namespace firn

#endif  // FIRN_BOOT_KERNEL_H_
