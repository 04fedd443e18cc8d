// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// How the user wants the memory of a snapshot to be loaded: the same options on the command line
// and in the control API.
#ifndef FIRN_VMM_CONFIG_MEMORY_CHOICE_H_
#define FIRN_VMM_CONFIG_MEMORY_CHOICE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "migration/memory_load.h"

namespace firn {

struct MemoryChoice {
  MemoryLoad load = MemoryLoad::kMapped;  // memory-load
  bool huge_pages = false;
  // Paths. Without the first: the file working-set beside the state file, if there is one.
  std::optional<std::string> working_set;
  std::optional<std::string> record_working_set;
};

// What an option is called where it was given: "--memory-load" for "memory-load".
using OptionName = absl::FunctionRef<std::string(std::string_view)>;

// "mapped", "demand" or "eager".
std::optional<MemoryLoad> ParseMemoryLoad(std::string_view text);

struct ChoiceProblem {
  std::string_view option;
  std::string why;  // behind the option's name it is a sentence
};

// What does not go together.
std::optional<ChoiceProblem> ProblemOf(const MemoryChoice& choice, OptionName name);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_MEMORY_CHOICE_H_
