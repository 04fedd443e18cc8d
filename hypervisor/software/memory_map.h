// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The VM's memory slots: KVM_SET_USER_MEMORY_REGION and KVM_GET_DIRTY_LOG over stage 2 tables
// and the engines' physical memory.
#ifndef FIRN_HYPERVISOR_SOFTWARE_MEMORY_MAP_H_
#define FIRN_HYPERVISOR_SOFTWARE_MEMORY_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/software/engine.h"
#include "hypervisor/software/stage2.h"
#include "hypervisor/vm.h"

namespace firn::software {

// Thread rules: one thread at a time, and none of the engines executes.
class MemoryMap {
 public:
  static absl::StatusOr<std::unique_ptr<MemoryMap>> Create(int ipa_bits);

  // From now on `engine` sees the slots. It must be removed before it dies.
  absl::Status AddEngine(Engine* engine);
  void RemoveEngine(Engine* engine);

  // Errors as Vm::SetMemorySlot.
  absl::Status SetSlot(const MemorySlot& slot);
  absl::StatusOr<std::vector<uint64_t>> GetDirtyLog(uint32_t slot);

  // Host memory of a guest physical range within one slot, or null; with `for_write` also null
  // for a read-only slot, and logs the pages as dirty.
  std::byte* Host(GuestAddress address, uint64_t size, bool for_write);

  // A guest store faulted at stage 2. True: the page is writable memory whose first write was
  // to be logged; the store can be repeated. May be called while an engine executes.
  bool HandleWriteFault(GuestAddress address);

 private:
  struct Slot {
    MemorySlot config;
    GuestRange range;
    std::vector<uint64_t> dirty = {};  // empty unless it logs

    bool logs() const { return (config.flags & kvm::kMemLogDirtyPages) != 0; }
    bool read_only() const { return (config.flags & kvm::kMemReadonly) != 0; }
  };

  MemoryMap(int ipa_bits, std::unique_ptr<Stage2> stage2)
      : ipa_bits_(ipa_bits), stage2_(std::move(stage2)) {}
  absl::Status Check(const MemorySlot& slot) const;
  absl::Status MapInEngines(const Slot& slot);
  absl::Status UnmapInEngines(const Slot& slot);
  absl::Status RebuildStage2();
  Slot* Find(GuestAddress address, uint64_t size);

  const int ipa_bits_;
  std::unique_ptr<Stage2> stage2_;
  std::map<uint32_t, Slot> slots_;
  std::vector<Engine*> engines_;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_MEMORY_MAP_H_
