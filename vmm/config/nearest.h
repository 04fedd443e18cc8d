// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// "Did you mean …": the known word nearest to a mistyped one.
#ifndef FIRN_VMM_CONFIG_NEAREST_H_
#define FIRN_VMM_CONFIG_NEAREST_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace firn {

// The candidate with the least edit distance to `word` (insert, delete, replace and swap of
// neighbours cost 1 each), or an empty view where none is near: over a third of the longer word.
std::string_view Nearest(std::string_view word, absl::Span<const std::string_view> candidates);

// "; did you mean `X`?" where a candidate is near, else "".
std::string DidYouMean(std::string_view word, absl::Span<const std::string_view> candidates);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_NEAREST_H_
