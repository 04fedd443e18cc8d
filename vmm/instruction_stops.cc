// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/instruction_stops.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {

std::optional<uint64_t> InstructionStops::Next() const {
  if (saves_.empty()) return stop_at_;
  const uint64_t save_at = saves_.front().instructions;
  return stop_at_ ? std::min(save_at, *stop_at_) : save_at;
}

absl::Status InstructionStops::Arm(Machine& machine) const {
  const std::optional<uint64_t> next = Next();
  if (!next) return absl::OkStatus();
  return Annotate(machine.SetInstructionLimit(next),
                  "--save-at and --stop-at: only with the software hypervisor");
}

absl::StatusOr<bool> InstructionStops::OnReached(Machine& machine) {
  absl::Status status = machine.Pause();
  if (status.ok() && !saves_.empty() && machine.instructions() >= saves_.front().instructions) {
    status = SaveNext(machine);
    status.Update(machine.SetInstructionLimit(Next()));
  }
  if (!status.ok()) return status;
  if (stop_at_ && machine.instructions() >= *stop_at_) {
    TellState(machine);
    return true;
  }
  status = machine.Resume();
  if (!status.ok()) return status;
  return false;
}

absl::Status InstructionStops::SaveNext(Machine& machine) {
  const SaveAt save = std::move(saves_.front());
  saves_.erase(saves_.begin());
  std::error_code error;
  std::filesystem::create_directories(save.folder, error);  // Save tells of failures
  SaveRequest request;
  request.paths = SnapshotPaths::InFolder(save.folder);
  request.incremental = save.incremental;
  const absl::StatusOr<SavedSnapshot> saved = machine.Save(request);
  if (!saved.ok()) return saved.status();
  note_(absl::StrCat("saved to ", save.folder, " after ", machine.instructions(), " instructions: ",
                     saved->memory_bytes, " bytes of memory, ", saved->state_bytes, " of state"));
  return absl::OkStatus();
}

void InstructionStops::TellState(Machine& machine) const {
  const absl::StatusOr<StateHash> hash = machine.Hash();
  note_(hash.ok() ? absl::StrCat("guest state after ", machine.instructions(),
                                 " instructions: ", hash->ToString())
                  : absl::StrCat("guest state: ", hash.status().message()));
}

}  // namespace firn
