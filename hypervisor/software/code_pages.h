// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Which guest physical pages the engine holds translated code of, and which of that is stale.
// Unicorn does not see code change through another virtual alias or by a device: a guest that
// changes code tells so with IC instructions, and that is when translations are dropped.
#ifndef FIRN_HYPERVISOR_SOFTWARE_CODE_PAGES_H_
#define FIRN_HYPERVISOR_SOFTWARE_CODE_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/software/engine.h"
#include "hypervisor/software/memory_map.h"

namespace firn::software {

class CodePages {
 public:
  // Code of the page at `address` was translated.
  void Add(GuestAddress address) { pages_.insert(Page(address)); }

  // The guest says that code of the page at `address` changed. True: the engine holds some, and
  // has to stop for Apply before it executes the page again.
  bool Invalidate(GuestAddress address) {
    if (!pages_.contains(Page(address))) return false;
    if (stale_.empty() || stale_.back() != Page(address)) stale_.push_back(Page(address));
    return true;
  }
  // The same for all code.
  void InvalidateAll() { all_stale_ = true; }

  // Drops what is stale from the engine, which must not be executing.
  absl::Status Apply(Engine& engine, MemoryMap& memory) {
    if (!all_stale_ && stale_.empty()) return absl::OkStatus();
    absl::Status status;
    if (all_stale_ && pages_.size() > kFewPages) {
      engine.DropAllCode();
      pages_.clear();
    } else {
      if (all_stale_) stale_.assign(pages_.begin(), pages_.end());
      // A page of a slot that is gone, or that never was memory, holds no translations. One that is
      // not mapped may, and the engine would not find them.
      std::erase_if(stale_, [&](uint64_t page) {
        return pages_.erase(page) == 0 || !memory.MapPage(GuestAddress(page));
      });
      status = engine.DropCodeOf(stale_);
    }
    all_stale_ = false;
    stale_.clear();
    return status;
  }

 private:
  // Dropping all makes Unicorn clear its buffer, 64 MiB: so many pages one by one cost less.
  static constexpr size_t kFewPages = 512;

  static uint64_t Page(GuestAddress address) { return address.value & ~uint64_t{4095}; }

  std::unordered_set<uint64_t> pages_;
  std::vector<uint64_t> stale_;
  bool all_stale_ = false;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_CODE_PAGES_H_
