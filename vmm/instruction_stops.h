// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a deterministic run does when its guest has executed so many instructions: --save-at and
// --stop-at.
#ifndef FIRN_VMM_INSTRUCTION_STOPS_H_
#define FIRN_VMM_INSTRUCTION_STOPS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "vmm/machine/machine.h"

namespace firn {

struct SaveAt {
  uint64_t instructions = 0;
  std::string folder;
  bool incremental = false;
};

// One thread.
class InstructionStops {
 public:
  // `saves` ascending. `note` is told what is done.
  InstructionStops(std::vector<SaveAt> saves, std::optional<uint64_t> stop_at,
                   std::function<void(std::string_view)> note)
      : saves_(std::move(saves)), stop_at_(stop_at), note_(std::move(note)) {}

  // Where `machine` stops next: to be told before it runs. FailedPrecondition, ENOTTY: there is
  // something to do, and the machine does not count instructions.
  absl::Status Arm(Machine& machine) const;

  // `machine` has come to such a moment. Does what is due; then lets it go on, or returns true: the
  // run is over. Errors: those of pausing, saving and resuming.
  absl::StatusOr<bool> OnReached(Machine& machine);

 private:
  std::optional<uint64_t> Next() const;
  absl::Status SaveNext(Machine& machine);
  void TellState(Machine& machine) const;

  std::vector<SaveAt> saves_;  // those to come
  const std::optional<uint64_t> stop_at_;
  const std::function<void(std::string_view)> note_;
};

}  // namespace firn

#endif  // FIRN_VMM_INSTRUCTION_STOPS_H_
