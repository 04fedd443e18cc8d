// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/phases.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

template <typename Phase>
absl::Status Walk(absl::Span<const Phase> order, const PhaseObserver& observer,
                  absl::FunctionRef<absl::Status(Phase)> phase, std::string_view what) {
  for (const Phase next : order) {
    const absl::Time begin = absl::Now();
    absl::Status status = phase(next);
    if (observer) observer({what, PhaseName(next), absl::Now() - begin, status});
    if (!status.ok()) return Annotate(status, absl::StrCat(what, ", ", PhaseName(next)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string WalkedPhase::ToString() const {
  const double milliseconds = absl::ToDoubleMilliseconds(time);
  return absl::StrCat(absl::StrFormat("%s: %s (%.1f ms)", walk, phase, milliseconds),
                      status.ok() ? "" : ": ", status.message());
}

std::string_view PhaseName(SavePhase phase) {
  switch (phase) {
    case SavePhase::kRunningMemory:
      return "memory of the running guest";
    case SavePhase::kPauseVcpus:
      return "pausing vCPUs";
    case SavePhase::kDrainDevices:
      return "draining devices";
    case SavePhase::kInterruptTables:
      return "interrupt tables";
    case SavePhase::kRegisters:
      return "registers";
    case SavePhase::kMemory:
      return "memory";
    case SavePhase::kResume:
      return "resuming";
    case SavePhase::kPublish:
      return "publishing";
  }
  return "unknown phase";
}

std::string_view PhaseName(RestorePhase phase) {
  switch (phase) {
    case RestorePhase::kMemory:
      return "memory";
    case RestorePhase::kRegisters:
      return "registers";
    case RestorePhase::kInterruptTables:
      return "interrupt tables";
    case RestorePhase::kInterruptEnables:
      return "enabling interrupts";
    case RestorePhase::kDevices:
      return "devices";
    case RestorePhase::kTime:
      return "time";
  }
  return "unknown phase";
}

absl::Status WalkPhases(absl::Span<const SavePhase> order, const PhaseObserver& observer,
                        absl::FunctionRef<absl::Status(SavePhase)> phase) {
  return Walk(order, observer, phase, "save");
}

absl::Status WalkPhases(absl::Span<const RestorePhase> order, const PhaseObserver& observer,
                        absl::FunctionRef<absl::Status(RestorePhase)> phase) {
  return Walk(order, observer, phase, "restore");
}

}  // namespace firn
