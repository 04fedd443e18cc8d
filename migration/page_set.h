// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A set of pages of guest memory, numbered through all regions in their order.
#ifndef FIRN_MIGRATION_PAGE_SET_H_
#define FIRN_MIGRATION_PAGE_SET_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace firn {

struct PageRun {
  uint64_t first = 0;
  uint64_t count = 0;

  uint64_t end() const { return first + count; }
  bool operator==(const PageRun&) const = default;
};

// A bitmap over a fixed number of pages.
class PageSet {
 public:
  explicit PageSet(uint64_t pages) : pages_(pages), words_((pages + 63) / 64) {}

  uint64_t pages() const { return pages_; }
  bool Contains(uint64_t page) const { return (words_[page / 64] >> page % 64 & 1) != 0; }
  void Add(uint64_t page) { words_[page / 64] |= uint64_t{1} << page % 64; }
  void Remove(uint64_t page) { words_[page / 64] &= ~(uint64_t{1} << page % 64); }
  void AddRun(PageRun run);
  // The other set has the same number of pages.
  void Merge(const PageSet& other);
  // The bits of `bitmap`, bit 0 of word 0 being page `first`; what lies beyond the last page of
  // the set is dropped.
  void MergeBitmap(uint64_t first, uint64_t count, absl::Span<const uint64_t> bitmap);
  void Clear() { words_.assign(words_.size(), 0); }
  uint64_t Count() const;

  // The first run at or after `page`, and before `end`; count 0 where there is none.
  PageRun NextRun(uint64_t page, uint64_t end) const;
  PageRun NextRun(uint64_t page) const { return NextRun(page, pages_); }
  // Ascending.
  std::vector<PageRun> Runs() const;

  bool operator==(const PageSet&) const = default;

 private:
  // The first page at or after `page` that is in the set, or is not; `end` where there is none
  // before it.
  uint64_t FindNext(uint64_t page, bool in, uint64_t end) const;

  uint64_t pages_;
  std::vector<uint64_t> words_;
};

// The gaps and lengths of state::Memory::pages.
std::vector<uint64_t> EncodeRuns(const PageSet& set);
// DataLoss for what is no set of `pages` pages.
absl::StatusOr<PageSet> DecodeRuns(absl::Span<const uint64_t> encoded, uint64_t pages);

}  // namespace firn

#endif  // FIRN_MIGRATION_PAGE_SET_H_
