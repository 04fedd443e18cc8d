// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The VM's memory slots: KVM_SET_USER_MEMORY_REGION and KVM_GET_DIRTY_LOG over stage 2 tables
// and the engine's physical memory.
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

// Thread rules: one thread at a time, and the engine does not execute.
class MemoryMap {
 public:
  // The physical memory of `engine`, which has neither memory nor CPUs and must outlive this.
  static absl::StatusOr<std::unique_ptr<MemoryMap>> Create(int ipa_bits, Engine* engine);

  // Errors as Vm::SetMemorySlot.
  absl::Status SetSlot(const MemorySlot& slot);
  absl::StatusOr<std::vector<uint64_t>> GetDirtyLog(uint32_t slot);

  // Host memory of a guest physical range within one slot, or null; with `for_write` also null
  // for a read-only slot, and logs the pages as dirty.
  std::byte* Host(GuestAddress address, uint64_t size, bool for_write);

  // Maps the page of `address` at stage 2, where it is memory. False: it is none.
  bool MapPage(GuestAddress address);

  // A guest's access faulted at stage 2. True: it can be repeated, for the page is memory that is
  // mapped only now, or writable memory whose first write was to be logged. May be called while the
  // engine executes.
  bool HandleFault(GuestAddress address, bool is_write);

 private:
  struct Slot {
    MemorySlot config;
    GuestRange range;
    std::vector<uint64_t> dirty = {};  // empty unless it logs

    bool logs() const { return (config.flags & kvm::kMemLogDirtyPages) != 0; }
    bool read_only() const { return (config.flags & kvm::kMemReadonly) != 0; }
  };

  MemoryMap(int ipa_bits, Engine* engine, std::unique_ptr<Stage2> stage2)
      : ipa_bits_(ipa_bits), engine_(engine), stage2_(std::move(stage2)) {}
  absl::Status Check(const MemorySlot& slot) const;
  absl::Status MapInEngine(const Slot& slot);
  absl::Status UnmapInEngine(const Slot& slot);
  // Unmaps everything: pages come back as they are used.
  void ClearStage2();
  void MapAround(const Slot& slot, uint64_t address);
  Slot* Find(GuestAddress address, uint64_t size);

  const int ipa_bits_;
  Engine* const engine_;
  std::unique_ptr<Stage2> stage2_;
  std::map<uint32_t, Slot> slots_;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_MEMORY_MAP_H_
