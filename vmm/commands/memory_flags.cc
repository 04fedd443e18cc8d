// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/memory_flags.h"

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "vmm/machine/stats.h"

namespace firn {

std::string FlagName(std::string_view option) { return absl::StrCat("--", option); }

absl::StatusOr<MemoryChoice> ReadMemoryFlags(const Flags& flags) {
  MemoryChoice choice;
  const std::string_view load = flags.Get("memory-load").value_or("mapped");
  const std::optional<MemoryLoad> known = ParseMemoryLoad(load);
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat("--memory-load is mapped, demand or eager, not \"", load, "\""));
  }
  choice.load = *known;
  choice.huge_pages = flags.Has("huge-pages");
  choice.working_set = flags.Get("working-set");
  choice.record_working_set = flags.Get("record-working-set");
  if (const std::optional<ChoiceProblem> problem = ProblemOf(choice, FlagName)) {
    return absl::InvalidArgumentError(absl::StrCat(FlagName(problem->option), " ", problem->why));
  }
  if (!choice.record_working_set) return choice;
  if (flags.Has("count")) {
    return absl::InvalidArgumentError("--record-working-set is for one machine, without --count");
  }
  absl::Status status = CheckFileCanBeWritten(*choice.record_working_set);
  if (!status.ok()) return Annotate(status, "--record-working-set");
  return choice;
}

}  // namespace firn
