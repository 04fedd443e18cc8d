// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/nearest.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace firn {
namespace {

// Words longer than this are nobody's typing error.
constexpr size_t kLongestWord = 64;

// Optimal string alignment distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> before(width), last(width), row(width);
  for (size_t j = 0; j < width; ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j < width; ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view word, absl::Span<const std::string_view> candidates) {
  std::string_view nearest;
  if (word.empty() || word.size() > kLongestWord) return nearest;
  size_t least = kLongestWord;
  for (std::string_view candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    const size_t limit = std::max<size_t>(1, std::max(word.size(), candidate.size()) / 3);
    if (distance <= limit && distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view word, absl::Span<const std::string_view> candidates) {
  const std::string_view nearest = Nearest(word, candidates);
  if (nearest.empty()) return "";
  return absl::StrCat("; did you mean `", nearest, "`?");
}

}  // namespace firn
