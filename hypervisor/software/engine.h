// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One Unicorn engine: an arm64 CPU at EL1 and EL0 that executes from host memory and reports
// everything else to its client. It holds no policy: what an exception, a register or an
// instruction means is decided above.
//
// Stage 2 translation (HCR_EL2.VM) stands between the guest's physical addresses and Unicorn's:
// an access outside guest memory then arrives as on hardware, as an abort to EL2 with the exact
// PC, a syndrome that describes the load or store, and HPFAR_EL2. (Unicorn's own hooks for
// unmapped memory report the PC of the block, not of the instruction.)
#ifndef FIRN_HYPERVISOR_SOFTWARE_ENGINE_H_
#define FIRN_HYPERVISOR_SOFTWARE_ENGINE_H_

#include <unicorn/unicorn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/hooked_regions.h"

namespace firn::software {

// Unicorn's exception numbers (those of QEMU's target/arm).
enum class Exception : uint32_t {
  kUndefined = 1,
  kSvc = 2,
  kPrefetchAbort = 3,
  kDataAbort = 4,
  kBreakpoint = 7,
  kHvc = 11,
  kSmc = 13,
};

// What the CPU recorded of the exception that it just took.
struct ExceptionRecord {
  uint32_t syndrome = 0;  // as ESR_ELx
  uint64_t address = 0;   // as FAR_ELx
  uint32_t target_el = 0;
};

// Gets control while the engine executes. Methods may read and write registers; writing the PC
// goes on there. None may call Run.
class EngineClient {
 public:
  virtual ~EngineClient() = default;
  // A block at virtual address `pc` is about to execute, and the countdown has run out.
  virtual void OnCountdown(uint64_t pc) = 0;
  // An exception. PC is behind the instruction for SVC, HVC and SMC, at it for the rest.
  virtual void OnException(Exception exception) = 0;
  // MRS and MSR of a register that Unicorn knows. True: done here.
  virtual bool OnMrs(SystemRegister reg, uint64_t* value) = 0;
  virtual bool OnMsr(SystemRegister reg, uint64_t value) = 0;
  // A SYS instruction (TLBI, IC, DC) with its operand, which Unicorn executes as well.
  virtual void OnSys(SystemRegister reg, uint64_t operand) = 0;
  // Code at [pc, pc + size) was translated.
  virtual void OnTranslated(uint64_t pc, uint32_t size) = 0;
};

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

// Thread rules: one thread at a time, Stop included.
class Engine {
 public:
  // An engine with `client`'s hooks, in the architectural reset state at EL1h with interrupts
  // masked. `layout` is that of Calibrate. Unicorn errors are Internal, naming the call.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineLayout& layout,
                                                      EngineClient* client);
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

  // Back to the state of Open; memory stays mapped, translations are dropped from the TLB.
  absl::Status Reset();

  // Makes `size` bytes at `host` the physical memory at `address` (4 KiB aligned).
  absl::Status MapMemory(uint64_t address, uint64_t size, std::byte* host);
  absl::Status UnmapMemory(uint64_t address, uint64_t size);
  // Sets the stage 2 translation: VTTBR_EL2 and VTCR_EL2, and turns it on.
  void SetStage2(uint64_t vttbr, uint64_t vtcr);

  // Executes from the PC until Stop, or until WFI: then `*stopped` is false.
  absl::Status Run(bool* stopped);
  // Makes Run return before the next block. Only while Run is in progress.
  void Stop();
  bool stop_requested() const { return stop_requested_; }
  BlockCount& block_count() { return block_count_; }
  const HookedRegions& hooked_regions() const { return hooked_regions_; }

  // Drops stage 1 and stage 2 translations. Of the client's methods only OnSys may call it.
  void FlushTlb();
  // Drops the translated code of physical page `page` (whose memory is executable).
  // Not inside a client method.
  absl::Status DropPage(uint64_t page_address);
  // Drops all translated code. Not inside a client method.
  void DropAllCode();

  // As CLREX: the next exclusive store is refused, unless an exclusive load comes before. Exception
  // returns that the engine executes do the same. Not inside a client method.
  void ClearExclusiveMonitor();

  // The record of the exception in progress. Only inside OnException.
  ExceptionRecord exception() const;

  uint64_t X(unsigned n) const;  // n 0..30; 31 reads 0
  void SetX(unsigned n, uint64_t value);
  uint64_t pc() const { return Read(UC_ARM64_REG_PC); }
  void SetPc(uint64_t value) { Write(UC_ARM64_REG_PC, value); }
  uint32_t pstate() const;
  // Takes effect at the next WriteSystemRegister: that recomputes what Unicorn caches of it.
  void SetPstate(uint32_t value);
  unsigned current_el() const { return pstate() >> 2 & 3; }
  // The stack pointer in use, and the banked ones (stale for the one in use).
  uint64_t sp() const { return Read(UC_ARM64_REG_SP); }
  void SetSp(uint64_t value) { Write(UC_ARM64_REG_SP, value); }
  uint64_t banked_sp_el0() const { return Read(UC_ARM64_REG_SP_EL0); }
  void SetBankedSpEl0(uint64_t value) { Write(UC_ARM64_REG_SP_EL0, value); }
  uint64_t banked_sp_el1() const { return Read(UC_ARM64_REG_SP_EL1); }
  void SetBankedSpEl1(uint64_t value) { Write(UC_ARM64_REG_SP_EL1, value); }
  std::array<std::byte, 16> V(unsigned n) const;
  void SetV(unsigned n, const std::array<std::byte, 16>& value);
  uint32_t fpcr() const;
  void SetFpcr(uint32_t value);
  uint32_t fpsr() const;
  void SetFpsr(uint32_t value);

  // System registers of Unicorn's CPU by encoding. A register that it does not have reads 0.
  uint64_t ReadSystemRegister(SystemRegister reg) const;
  void WriteSystemRegister(SystemRegister reg, uint64_t value);

 private:
  explicit Engine(const EngineLayout& layout, EngineClient* client)
      : layout_(layout), client_(client) {}
  absl::Status Initialize();
  absl::Status AddHooks();
  static void BlockHook(uc_engine* uc, uint64_t pc, uint32_t size, void* user);
  static void TranslatedHook(uc_engine* uc, uc_tb* block, uc_tb* previous, void* user);
  uint64_t Read(int reg) const;
  void Write(int reg, uint64_t value);

  const EngineLayout layout_;
  EngineClient* const client_;
  uc_engine* uc_ = nullptr;
  uc_context* reset_state_ = nullptr;
  uc_context* scratch_ = nullptr;
  uint64_t vttbr_ = 0, vtcr_ = 0;
  bool stop_requested_ = false;
  BlockCount block_count_;
  HookedRegions hooked_regions_;  // of BlockHook
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_ENGINE_H_
