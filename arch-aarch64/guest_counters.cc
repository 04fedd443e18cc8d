// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/guest_counters.h"

#include <cerrno>

#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"

namespace firn {

// The physical counter after the virtual one, in both functions: the distance between the two then
// stays what it is, but for how long the calls take.
absl::StatusOr<GuestCounters> ReadGuestCounters(Vcpu& vcpu) {
  const absl::StatusOr<uint64_t> virtual_count = GetRegisterU64(vcpu, kvm::kTimerCnt);
  if (!virtual_count.ok()) return Annotate(virtual_count.status(), "reading the guest's time");
  GuestCounters counters = {.virtual_count = *virtual_count, .physical_count = std::nullopt};
  const absl::StatusOr<uint64_t> physical_count = GetRegisterU64(vcpu, kvm::kPtimerCnt);
  if (physical_count.ok()) {
    counters.physical_count = *physical_count;
  } else if (GetErrno(physical_count.status()) != ENOENT) {
    return Annotate(physical_count.status(), "reading the guest's physical counter");
  }
  return counters;
}

absl::Status SetGuestCounters(Vcpu& vcpu, const GuestCounters& counters) {
  absl::Status status = Annotate(SetRegisterU64(vcpu, kvm::kTimerCnt, counters.virtual_count),
                                 "letting the guest's time go on");
  if (!status.ok() || !counters.physical_count) return status;
  status = SetRegisterU64(vcpu, kvm::kPtimerCnt, *counters.physical_count);
  if (GetErrno(status) == ENOENT) {
    status = Suggest(status, "a host with Linux 6.4 or newer can do that");
  }
  return Annotate(status, "letting the guest's physical counter go on");
}

}  // namespace firn
