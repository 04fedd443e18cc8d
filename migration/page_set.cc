// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/page_set.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"

namespace firn {

void PageSet::AddRun(PageRun run) {
  for (uint64_t page = run.first; page < run.end();) {
    if (page % 64 == 0 && run.end() - page >= 64) {
      words_[page / 64] = ~uint64_t{0};
      page += 64;
    } else {
      Add(page++);
    }
  }
}

void PageSet::Merge(const PageSet& other) {
  for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

void PageSet::MergeBitmap(uint64_t first, uint64_t count, absl::Span<const uint64_t> bitmap) {
  for (size_t i = 0; i < bitmap.size(); ++i) {
    for (uint64_t word = bitmap[i]; word != 0; word &= word - 1) {
      const uint64_t bit = i * 64 + static_cast<uint64_t>(std::countr_zero(word));
      if (bit < count && first + bit < pages_) Add(first + bit);
    }
  }
}

uint64_t PageSet::Count() const {
  uint64_t count = 0;
  for (const uint64_t word : words_) count += static_cast<uint64_t>(std::popcount(word));
  return count;
}

uint64_t PageSet::FindNext(uint64_t page, bool in, uint64_t end) const {
  while (page < end) {
    const uint64_t word = (in ? words_[page / 64] : ~words_[page / 64]) >> page % 64;
    if (word != 0) return std::min(end, page + static_cast<uint64_t>(std::countr_zero(word)));
    page = (page / 64 + 1) * 64;
  }
  return end;
}

PageRun PageSet::NextRun(uint64_t page, uint64_t end) const {
  const uint64_t first = FindNext(page, true, end);
  if (first >= end) return {end, 0};
  return {first, FindNext(first, false, end) - first};
}

std::vector<PageRun> PageSet::Runs() const {
  std::vector<PageRun> runs;
  for (PageRun run = NextRun(0); run.count > 0; run = NextRun(run.end())) runs.push_back(run);
  return runs;
}

std::vector<uint64_t> EncodeRuns(const PageSet& set) {
  std::vector<uint64_t> encoded;
  uint64_t at = 0;
  for (PageRun run = set.NextRun(0); run.count > 0; run = set.NextRun(run.end())) {
    encoded.push_back(run.first - at);
    encoded.push_back(run.count);
    at = run.end();
  }
  return encoded;
}

absl::StatusOr<PageSet> DecodeRuns(absl::Span<const uint64_t> encoded, uint64_t pages) {
  PageSet set(pages);
  if (encoded.size() % 2 != 0) return absl::DataLossError("memory: the list of pages is cut off");
  uint64_t at = 0;
  for (size_t i = 0; i < encoded.size(); i += 2) {
    const uint64_t gap = encoded[i], count = encoded[i + 1];
    if (gap > pages - at || count > pages - at - gap || count == 0 || (gap == 0 && i > 0)) {
      return absl::DataLossError("memory: the list of pages is no list of pages of this guest");
    }
    set.AddRun({at + gap, count});
    at += gap + count;
  }
  return set;
}

}  // namespace firn
