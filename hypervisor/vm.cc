// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/vm.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {

absl::Status Vm::SetCounterAlarm(const std::optional<CounterAlarm>&) {
  return ErrnoStatus(ENOTTY, "counter alarm");
}

absl::Status Vm::SetInstructionLimit(std::optional<uint64_t>) {
  return ErrnoStatus(ENOTTY, "instruction limit");
}

absl::Status MapGuestMemory(Vm& vm, const GuestMemory& memory, uint32_t flags,
                            uint32_t first_slot) {
  uint32_t slot = first_slot;
  for (const GuestMemoryRegion& region : memory.regions()) {
    absl::Status status = vm.SetMemorySlot({.slot = slot++,
                                            .flags = flags,
                                            .address = region.range.base(),
                                            .size = region.range.size(),
                                            .host = region.host});
    if (!status.ok()) {
      return Annotate(status, absl::StrCat("guest memory at ", region.range.base()));
    }
  }
  return absl::OkStatus();
}

}  // namespace firn
