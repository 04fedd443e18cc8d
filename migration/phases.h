// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The order of a save and of a restore (docs/design.md section 4), written once: lists of phases
// that an engine walks. Tests walk others.
#ifndef FIRN_MIGRATION_PHASES_H_
#define FIRN_MIGRATION_PHASES_H_

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace firn {

enum class SavePhase {
  kRunningMemory,  // what is to be saved already, while the guest runs: where its writes are
                   // tracked
  kPauseVcpus,
  kDrainDevices,
  kInterruptTables,  // GICv5: the ISTs. GICv3: pending and ITS tables. May write guest memory
  kRegisters,        // GIC, vCPUs, devices
  kMemory,
  kResume,
  kPublish,
};
inline constexpr std::array kSaveOrder = {
    SavePhase::kRunningMemory,   SavePhase::kPauseVcpus, SavePhase::kDrainDevices,
    SavePhase::kInterruptTables, SavePhase::kRegisters,  SavePhase::kMemory,
    SavePhase::kResume,          SavePhase::kPublish,
};

// The snapshot is validated and the VM is built before.
enum class RestorePhase {
  kMemory,            // in place: mapped or loaded
  kRegisters,         // vCPUs, ICC, and what describes the interrupt tables
  kInterruptTables,   // may read guest memory
  kInterruptEnables,  // the rest of the GIC, with what lets interrupts flow at the end
  kDevices,           // and their interrupt lines
  kTime,              // the counters go on from the save
};
inline constexpr std::array kRestoreOrder = {
    RestorePhase::kMemory,           RestorePhase::kRegisters, RestorePhase::kInterruptTables,
    RestorePhase::kInterruptEnables, RestorePhase::kDevices,   RestorePhase::kTime,
};

std::string_view PhaseName(SavePhase phase);
std::string_view PhaseName(RestorePhase phase);

// A phase that was walked: the last has an error where the walk ended with one.
struct WalkedPhase {
  std::string_view walk;  // "save" or "restore"
  std::string_view phase;
  absl::Duration time;
  absl::Status status;

  // "save: memory (12.3 ms)"; behind it the error.
  std::string ToString() const;
};
// Called on the thread of the walk, after each phase; may be null.
using PhaseObserver = std::function<void(const WalkedPhase&)>;

// Does each of `order` in its turn, up to the first error, which then names the phase.
absl::Status WalkPhases(absl::Span<const SavePhase> order, const PhaseObserver& observer,
                        absl::FunctionRef<absl::Status(SavePhase)> phase);
absl::Status WalkPhases(absl::Span<const RestorePhase> order, const PhaseObserver& observer,
                        absl::FunctionRef<absl::Status(RestorePhase)> phase);

}  // namespace firn

#endif  // FIRN_MIGRATION_PHASES_H_
