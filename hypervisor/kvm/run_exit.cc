// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/run_exit.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"

namespace firn::kvm {
namespace {

FailureExit Failure(const RunPage& run, std::string detail) {
  return {.reason = run.exit_reason, .detail = std::move(detail)};
}

Exit Mmio(RunPage& run) {
  if (run.mmio.len == 0 || run.mmio.len > sizeof(run.mmio.data)) {
    return Failure(run, absl::StrCat("an access of ", run.mmio.len, " bytes at ",
                                     GuestAddress(run.mmio.phys_addr)));
  }
  return MmioExit{
      .address = GuestAddress(run.mmio.phys_addr),
      .is_write = run.mmio.is_write != 0,
      .data = absl::MakeSpan(reinterpret_cast<std::byte*>(run.mmio.data), run.mmio.len)};
}

std::string_view SuberrorName(uint32_t suberror) {
  switch (suberror) {
    case 1:
      return "KVM_INTERNAL_ERROR_EMULATION";
    case 2:
      return "KVM_INTERNAL_ERROR_SIMUL_EX";
    case 3:
      return "KVM_INTERNAL_ERROR_DELIVERY_EV";
    case 4:
      return "KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON";
    default:
      return "an error of KVM";
  }
}

std::string InternalErrorDetail(const RunPage& run) {
  std::string detail =
      absl::StrCat(SuberrorName(run.internal.suberror), " (", run.internal.suberror, ")");
  const size_t count = std::min<size_t>(run.internal.ndata, std::size(run.internal.data));
  for (uint64_t value : absl::MakeConstSpan(run.internal.data, count)) {
    absl::StrAppend(&detail, " 0x", absl::Hex(value));
  }
  return detail;
}

}  // namespace

Exit DecodeExit(RunPage& run) {
  switch (run.exit_reason) {
    case kExitMmio:
      return Mmio(run);
    case kExitSystemEvent:
      return SystemEventExit{run.system_event.type};
    case kExitIntr:
      return KickedExit();
    case kExitFailEntry:
      return Failure(
          run, absl::StrFormat("the CPU refused to enter the guest: reason 0x%x, host CPU %d; "
                               "on a machine with unlike CPUs, pin firn to one kind",
                               run.fail_entry.hardware_entry_failure_reason, run.fail_entry.cpu));
    case kExitInternalError:
      return Failure(run, InternalErrorDetail(run));
    case kExitArmNisv:
      return Failure(run, absl::StrFormat("an access outside memory at 0x%x by an instruction that "
                                          "KVM cannot decode (ESR_EL2.ISS 0x%x)",
                                          run.arm_nisv.fault_ipa, run.arm_nisv.esr_iss));
    case kExitMemoryFault:
      return Failure(run, absl::StrFormat("guest memory at 0x%x, %d bytes, cannot be accessed "
                                          "(flags 0x%x)",
                                          run.memory_fault.gpa, run.memory_fault.size,
                                          run.memory_fault.flags));
    case kExitShutdown:
      return Failure(run, "the guest was shut down by the hypervisor");
    default:
      return UnknownExit{run.exit_reason};
  }
}

}  // namespace firn::kvm
