// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/boot.h"

#include <cstddef>
#include <vector>

#include "boot/initrd.h"

namespace firn {

absl::StatusOr<BootImages> LoadGuest(const BootConfig& config, const MemoryLayout& layout,
                                     const InterruptFdt& interrupts, GuestMemory& memory) {
  absl::StatusOr<LoadedKernel> kernel = LoadKernel(config.kernel_path, layout, memory);
  if (!kernel.ok()) return kernel.status();

  FdtConfig fdt = config.fdt;
  fdt.initrd.reset();
  if (config.initrd_path) {
    const absl::StatusOr<GuestRange> initrd =
        LoadInitrd(*config.initrd_path, layout, kernel->range, memory);
    if (!initrd.ok()) return initrd.status();
    fdt.initrd = *initrd;
  }

  const absl::StatusOr<std::vector<std::byte>> blob = BuildFdt(fdt, layout, interrupts);
  if (!blob.ok()) return blob.status();
  const GuestAddress address = layout.fdt_space().base();
  if (absl::Status status = memory.Write(address, *blob); !status.ok()) return status;
  return BootImages{.kernel = *std::move(kernel),
                    .initrd = fdt.initrd,
                    .fdt = *GuestRange::Create(address, blob->size())};
}

}  // namespace firn
