// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/initrd.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {

absl::StatusOr<GuestRange> LoadInitrd(ImageFile& file, const MemoryLayout& layout,
                                      GuestRange kernel, GuestMemory& memory) {
  if (file.size() == 0) {
    return absl::InvalidArgumentError("is empty: build it again, or boot without an initrd");
  }
  const absl::StatusOr<GuestRange> range = layout.PlaceInitrd(file.size(), kernel);
  if (!range.ok()) return range.status();
  const absl::StatusOr<absl::Span<std::byte>> host =
      memory.MutableHostRange(range->base(), range->size());
  if (!host.ok()) return host.status();
  if (absl::Status status = file.ReadAt(0, *host); !status.ok()) return status;
  return *range;
}

absl::StatusOr<GuestRange> LoadInitrd(const std::string& path, const MemoryLayout& layout,
                                      GuestRange kernel, GuestMemory& memory) {
  const absl::StatusOr<std::unique_ptr<ImageFile>> file = OpenImageFile(path);
  if (!file.ok()) return Annotate(file.status(), "initrd");
  const absl::StatusOr<GuestRange> range = LoadInitrd(**file, layout, kernel, memory);
  if (!range.ok()) return Annotate(range.status(), absl::StrCat("initrd ", path));
  return range;
}

}  // namespace firn
