// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Unicorn's list of the blocks that it has translated under a block hook, kept short.
//
// Unicorn notes the address and size of each such block, to drop their translations when the hook
// is deleted, and never forgets one. A guest whose programs load at random addresses makes new
// blocks for as long as it runs: some 5 MB of notes a second. firn deletes no hook before it closes
// the engine, so the notes serve nothing. Unicorn has no call that ends them; where a hook keeps
// its table, differs between versions, and is searched for (Engine::Calibrate).
#ifndef FIRN_HYPERVISOR_SOFTWARE_HOOKED_REGIONS_H_
#define FIRN_HYPERVISOR_SOFTWARE_HOOKED_REGIONS_H_

#include <unicorn/unicorn.h>

#include <cstddef>
#include <optional>

namespace firn::software {

class HookedRegions {
 public:
  // What the table may hold.
  static constexpr unsigned kLimit = 4096;

  // Where the hook that `hook` stands for, of `callback` and `user`, keeps its table: an offset in
  // bytes. None where the two are not side by side in it.
  static std::optional<size_t> FindOffset(uc_hook hook, const void* callback, const void* user);

  // None yet; nothing may be called but assignment.
  HookedRegions() = default;
  // Those of a hook of which FindOffset gave `offset`. The hook outlives this.
  HookedRegions(uc_hook hook, size_t offset);

  // What the table holds.
  unsigned size() const;

  // Keeps the table short: to be called when blocks were translated.
  void OnTranslated();

 private:
  void* table_ = nullptr;  // GHashTable
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_HOOKED_REGIONS_H_
