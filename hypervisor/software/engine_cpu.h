// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A CPU of the engine: an arm64 CPU at EL1 and EL0 that executes from the engine's memory and
// reports everything else to its client. Its registers are in Unicorn while it executes, and stay
// there until another CPU's are needed; then they wait in a saved context.
#ifndef FIRN_HYPERVISOR_SOFTWARE_ENGINE_CPU_H_
#define FIRN_HYPERVISOR_SOFTWARE_ENGINE_CPU_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/engine.h"
#include "hypervisor/software/system_registers.h"

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

// Gets control while its CPU executes. Methods may read and write that CPU's registers, and Reset
// others; writing the PC goes on there. None may call Run.
class EngineClient {
 public:
  virtual ~EngineClient() = default;
  // A block at virtual address `pc` is about to execute, and the countdown has run out.
  virtual void OnCountdown(uint64_t pc) = 0;
  // An exception, undefined instructions that Unicorn gives up at among them. PC is behind the
  // instruction for SVC, HVC and SMC, at it for the rest.
  virtual void OnException(Exception exception) = 0;
  // MRS and MSR of a register that Unicorn knows. True: done here.
  virtual bool OnMrs(SystemRegister reg, uint64_t* value) = 0;
  virtual bool OnMsr(SystemRegister reg, uint64_t value) = 0;
  // A SYS instruction (TLBI, IC, DC) with its operand, which Unicorn executes as well.
  virtual void OnSys(SystemRegister reg, uint64_t operand) = 0;
  // Code at [pc, pc + size) was translated.
  virtual void OnTranslated(uint64_t pc, uint32_t size) = 0;
};

inline constexpr uint64_t kCpacrZen = 3 << 16;  // SVE at EL1 and EL0

// Thread rules: as Engine, Stop included.
class EngineCpu {
 public:
  // A CPU of `engine`, which must outlive it, in the state of Reset. `client` may be null where the
  // CPU never executes.
  static absl::StatusOr<std::unique_ptr<EngineCpu>> Create(Engine* engine, EngineClient* client);
  ~EngineCpu();
  EngineCpu(const EngineCpu&) = delete;
  EngineCpu& operator=(const EngineCpu&) = delete;

  // To the architectural reset state, at EL1h with interrupts masked.
  void Reset();
  // Sets the PC and X0 of a CPU that was reset and has not been used since. This and Reset may be
  // called while another CPU executes.
  void SetEntry(uint64_t pc, uint64_t x0);

  // Executes from the PC until Stop, or until WFI: then `*stopped` is false. Also returns as if
  // stopped where it should go on: after an exception of an instruction that Unicorn gives up at.
  absl::Status Run(bool* stopped);
  // Makes Run return before the next block. Only while Run is in progress.
  void Stop();
  bool stop_requested() const { return engine_->stop_requested_; }
  BlockCount& block_count() { return Load().block_count_; }

  Engine& engine() { return *engine_; }

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

  // System registers of Unicorn's CPU by encoding. A register that it does not have reads 0; of
  // CPACR_EL1, ZEN stays 0.
  uint64_t ReadSystemRegister(SystemRegister reg) const { return Load().ReadSystemRegister(reg); }
  void WriteSystemRegister(SystemRegister reg, uint64_t value) {
    // Unicorn's CPU has SVE, with no vector length: it aborts where that is asked for.
    if (reg == reg::kCpacrEl1) value &= ~kCpacrZen;
    Load().WriteSystemRegister(reg, value);
  }

 private:
  friend Engine;

  EngineCpu(Engine* engine, EngineClient* client, Context context)
      : engine_(engine), client_(client), context_(std::move(context)) {}
  bool is_loaded() const { return engine_->loaded_ == this; }
  // The engine, with this CPU's registers in it.
  Engine& Load() const {
    if (!is_loaded()) [[unlikely]]
      engine_->Load(*this);
    return *engine_;
  }
  std::byte* InContext(size_t offset) const {
    return reinterpret_cast<std::byte*>(context_.get()) + offset;
  }
  uint64_t Read(int reg) const;
  void Write(int reg, uint64_t value);
  // Executes from the PC. True if Unicorn gave up at an instruction of the block at the PC.
  absl::StatusOr<bool> Execute();
  // Then, on another Unicorn: goes to it, and has it taken as undefined.
  absl::Status RunInSteps();
  // Has the client take an exception for the instruction at the PC.
  void TakeUndefined();

  Engine* const engine_;
  EngineClient* const client_;
  // The registers, and the count of blocks, while they are not in the engine.
  const Context context_;
  mutable BlockCount block_count_;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_ENGINE_CPU_H_
