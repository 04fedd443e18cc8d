// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The Unicorn engine of a machine: its physical memory, and what was translated of it. All CPUs
// (engine_cpu.h) execute on it, one at a time, so that each finds the code that others translated.
// It holds no policy: what an exception, a register or an instruction means is decided above.
//
// Stage 2 translation (HCR_EL2.VM) stands between the guest's physical addresses and Unicorn's:
// an access outside guest memory then arrives as on hardware, as an abort to EL2 with the exact
// PC, a syndrome that describes the load or store, and HPFAR_EL2. (Unicorn's own hooks for
// unmapped memory report the PC of the block, not of the instruction.)
#ifndef FIRN_HYPERVISOR_SOFTWARE_ENGINE_H_
#define FIRN_HYPERVISOR_SOFTWARE_ENGINE_H_

#include <unicorn/unicorn.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/hooked_regions.h"

namespace firn::software {

class EngineClient;
class EngineCpu;
enum class Exception : uint32_t;

// What the engine keeps while it executes, at the start of each block: the hottest path there is.
struct BlockCount {
  // Instructions until OnCountdown; the block that starts is taken off before it executes.
  int64_t countdown = 0;
  // The block that executes, by virtual address.
  uint64_t start = 0;
  uint64_t end = 0;
};

// Where calibration found what Unicorn has no call for.
struct EngineLayout {
  // In a saved context.
  size_t exception_offset = 0;
  size_t monitor_offset = 0;  // the address that the exclusive monitor has marked; all ones: none
  // In a hook.
  size_t hooked_regions_offset = 0;
  uint32_t page_size_argument = 0;  // page_size.h
};

// OK, or Internal with what Unicorn says of the error, and the call.
absl::Status UnicornStatus(uc_err error, std::string_view call);

// The registers of a CPU, as Unicorn saves them.
struct ContextDeleter {
  void operator()(uc_context* context) const { uc_context_free(context); }
};
using Context = std::unique_ptr<uc_context, ContextDeleter>;

// Thread rules: one thread at a time, also for its CPUs.
class Engine {
 public:
  // An engine without memory and CPUs. `layout` is that of Calibrate. Unicorn errors are Internal,
  // naming the call.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineLayout& layout);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Finds the exception record in Unicorn's saved contexts by executing SVC and HVC with known
  // immediates, and the exclusive monitor by LDXP of known words; and in a hook the table of its
  // regions, which must be empty before them and have theirs after. FailedPrecondition, naming the
  // version, where that does not give one place for each.
  static absl::StatusOr<EngineLayout> Calibrate();
  // "2.1.1"
  static std::string Version();

  // Makes `size` bytes at `host` the physical memory at `address` (4 KiB aligned).
  absl::Status MapMemory(uint64_t address, uint64_t size, std::byte* host);
  // What was mapped, whole.
  absl::Status UnmapMemory(uint64_t address, uint64_t size);
  // Turns stage 2 translation on, with these values of VTTBR_EL2 and VTCR_EL2, in the CPUs that are
  // created or reset from now on.
  void SetStage2(uint64_t vttbr, uint64_t vtcr);

  // Drops stage 1 and stage 2 translations, of every CPU. Of a client's methods only OnSys may.
  void FlushTlb();
  // Drops all translated code, or that of the physical pages at these addresses, which must be
  // memory at stage 2. Not inside a client method.
  void DropAllCode();
  absl::Status DropCodeOf(absl::Span<const uint64_t> pages);

  const HookedRegions& hooked_regions() const { return hooked_regions_; }

 private:
  friend EngineCpu;

  struct MappedMemory {
    uint64_t size;
    std::byte* host;
  };

  explicit Engine(const EngineLayout& layout) : layout_(layout) {}
  // A Unicorn without hooks and memory; the state that its CPU is to have at reset; the hooks.
  absl::Status OpenUnicorn();
  absl::Status SetResetState();
  absl::Status AddHooks();
  // Another Unicorn in place of one that gave up: with the same memory, and the CPU that was
  // loaded. Where there is none, an error; then nothing is executed any more.
  absl::Status Reopen();
  absl::Status MapInUnicorn(uint64_t address, const MappedMemory& memory);
  // What is executed stops after the instruction at this virtual address, unless that takes an
  // exception or branches; none: goes on.
  void SetStep(std::optional<uint64_t> address);
  bool EndsStep(Exception exception);
  absl::StatusOr<Context> NewContext();
  EngineClient& client() const;
  static void BlockHook(uc_engine* uc, uint64_t pc, uint32_t size, void* user);
  static void TranslatedHook(uc_engine* uc, uc_tb* block, uc_tb* previous, void* user);
  static void InterruptHook(uc_engine* uc, uint32_t number, void* user);
  static uint32_t MrsHook(uc_engine* uc, uc_arm64_reg rt, const uc_arm64_cp_reg* reg, void* user);
  static uint32_t MsrHook(uc_engine* uc, uc_arm64_reg rt, const uc_arm64_cp_reg* reg, void* user);
  static uint32_t SysHook(uc_engine* uc, uc_arm64_reg rt, const uc_arm64_cp_reg* reg, void* user);

  // Puts away the registers of the CPU that has been loaded; Load then brings in those of `cpu`.
  void PutAway();
  void Load(const EngineCpu& cpu);
  void SaveContext(const Context& context) const;
  void RestoreContext(const Context& context);
  uint64_t ReadSystemRegister(SystemRegister reg) const;
  void WriteSystemRegister(SystemRegister reg, uint64_t value);

  const EngineLayout layout_;
  uc_engine* uc_ = nullptr;
  std::map<uint64_t, MappedMemory> memory_;  // by physical address
  Context reset_state_;
  HookedRegions hooked_regions_;  // of BlockHook

  // The CPU whose registers Unicorn has, and its count of blocks. Null: what Unicorn has is of no
  // account.
  const EngineCpu* loaded_ = nullptr;
  BlockCount block_count_;
  std::optional<uint64_t> step_;
  bool executes_ = false;
  bool stop_requested_ = false;
  bool gave_up_ = false;  // nothing is executed any more
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_ENGINE_H_
