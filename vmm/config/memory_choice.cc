// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/memory_choice.h"

#include "absl/strings/str_cat.h"

namespace firn {

std::optional<MemoryLoad> ParseMemoryLoad(std::string_view text) {
  if (text == "mapped") return MemoryLoad::kMapped;
  if (text == "demand") return MemoryLoad::kDemand;
  if (text == "eager") return MemoryLoad::kEager;
  return std::nullopt;
}

std::optional<ChoiceProblem> ProblemOf(const MemoryChoice& choice, OptionName name) {
  const std::string load = name("memory-load");
  if (choice.huge_pages && choice.load == MemoryLoad::kMapped) {
    return ChoiceProblem{"huge-pages", absl::StrCat("needs ", load,
                                                    " demand or eager: mapped pages are those of "
                                                    "the file")};
  }
  if (choice.working_set && choice.load == MemoryLoad::kEager) {
    return ChoiceProblem{
        "working-set",
        absl::StrCat("is for ", load, " mapped and demand: eager loads all before the guest runs")};
  }
  if (choice.record_working_set && choice.load != MemoryLoad::kDemand) {
    return ChoiceProblem{"record-working-set",
                         absl::StrCat("needs ", load, " demand, which sees what is touched")};
  }
  if (choice.record_working_set && choice.working_set) {
    return ChoiceProblem{
        "record-working-set",
        absl::StrCat("and ", name("working-set"),
                     " do not go together: what is loaded before is not seen to be "
                     "touched")};
  }
  return std::nullopt;
}

}  // namespace firn
