// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Loads an initrd into guest memory.
#ifndef FIRN_BOOT_INITRD_H_
#define FIRN_BOOT_INITRD_H_

#include <string>

#include "absl/status/statusor.h"
#include "arch-aarch64/memory_layout.h"
#include "boot/image_file.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"

namespace firn {

// Writes the file as it is to where `layout` puts an initrd beside `kernel`; the kernel looks
// into it, archives one behind the other included. Errors name `path`, the cause and what to do:
// InvalidArgument for an empty file, ResourceExhausted for one too large for the memory.
absl::StatusOr<GuestRange> LoadInitrd(const std::string& path, const MemoryLayout& layout,
                                      GuestRange kernel, GuestMemory& memory);

// The same from an open file; errors do not name it.
absl::StatusOr<GuestRange> LoadInitrd(ImageFile& file, const MemoryLayout& layout,
                                      GuestRange kernel, GuestMemory& memory);

}  // namespace firn

#endif  // FIRN_BOOT_INITRD_H_
