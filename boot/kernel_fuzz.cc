// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any file as a kernel: headers, gzip, zstd and zboot. The image must stay within its range.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "absl/types/span.h"
#include "boot/image_file.h"
#include "boot/initrd.h"
#include "boot/kernel.h"

namespace firn {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

bool IsZero(absl::Span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

void LoadOnce(absl::Span<const std::byte> bytes) {
  static const MemoryLayout& layout = *new MemoryLayout(*MemoryLayout::Create(kMinimumRam));
  const std::unique_ptr<GuestMemory> memory = *GuestMemory::Create(layout.ram());
  const std::unique_ptr<ImageFile> file = ImageFileOfBytes(bytes);
  const absl::StatusOr<LoadedKernel> kernel = LoadKernel(*file, layout, *memory);
  if (!kernel.ok()) {
    Require(!kernel.status().message().empty());
    return;
  }
  const GuestRange space = layout.kernel_space();
  Require(space.Contains(kernel->range.base(), kernel->range.size()));
  Require(IsZero(*memory->HostRange(space.base(), kernel->header.text_offset)));
  const uint64_t behind =
      std::min<uint64_t>(kGuestPageSize, space.end().value - kernel->range.end().value);
  Require(IsZero(*memory->HostRange(kernel->range.end(), behind)));

  const absl::StatusOr<GuestRange> initrd = LoadInitrd(*file, layout, kernel->range, *memory);
  if (initrd.ok()) {
    Require(!initrd->Overlaps(kernel->range) && !initrd->Overlaps(layout.fdt_space()));
  }
}

}  // namespace
}  // namespace firn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  firn::LoadOnce(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data), size));
  return 0;
}
