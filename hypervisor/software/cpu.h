// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One emulated CPU: a CPU of the engine and what KVM would add to it in the kernel: traps, timers,
// the GIC CPU interface, hypercalls, and MMIO decoded from syndromes.
#ifndef FIRN_HYPERVISOR_SOFTWARE_CPU_H_
#define FIRN_HYPERVISOR_SOFTWARE_CPU_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/exit.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/software/code_pages.h"
#include "hypervisor/software/engine_cpu.h"
#include "hypervisor/software/generic_timer.h"
#include "hypervisor/software/gicv5/vgicv5.h"
#include "hypervisor/software/machine_clock.h"
#include "hypervisor/software/memory_map.h"
#include "hypervisor/software/psci.h"
#include "hypervisor/software/syndrome.h"

namespace firn::software {

// What a CPU needs of the machine around it.
class CpuBus : public PsciMachine {
 public:
  // Null without an in-kernel GIC.
  virtual gicv5::Vgicv5* gic() = 0;
  // A store to guest physical memory outside the slots. True where an ioeventfd took it.
  virtual bool SignalIoEventFd(GuestAddress address, uint32_t size, uint64_t value) = 0;
  // Someone waits for the machine: the running slice should end.
  virtual bool attention() const = 0;
};

// What the CPUs of a machine have in common; outlives them.
struct CpuParts {
  Engine* engine;
  MachineClock* clock;
  MemoryMap* memory;
  CodePages* code_pages;
  CpuBus* bus;
};

// Why a slice ended.
enum class SliceEnd {
  kPreempted,  // the budget is used up, attention() is true, or stale code has to go
  kWaiting,    // WFI: until an interrupt is pending
  kStopped,    // PSCI CPU_OFF
  kDoorbell,   // an ioeventfd was signalled
  kExit,       // to user space: TakeExit
};

// Thread rules: one thread at a time.
class Cpu : public EngineClient {
 public:
  enum class Power { kOff, kRunnable, kWaiting };

  static absl::StatusOr<std::unique_ptr<Cpu>> Create(uint32_t index, uint32_t id,
                                                     const CpuParts& parts);

  uint32_t index() const { return index_; }
  uint32_t id() const { return id_; }
  uint64_t mpidr() const;
  EngineCpu& engine_cpu() { return *engine_cpu_; }
  Power power() const { return power_; }
  void set_power(Power power) { power_ = power; }
  Timer& virtual_timer() { return virtual_timer_; }
  Timer& physical_timer() { return physical_timer_; }
  uint64_t psci_version() const { return psci_version_; }
  void set_psci_version(uint64_t version) { psci_version_ = version; }

  // Architectural reset; power() stays.
  void Reset();
  // PSCI CPU_ON, which another CPU may do that executes.
  void PowerOn(uint64_t entry, uint64_t context);

  // Executes up to `budget` instructions (Preempted at the first block boundary behind), or none
  // where an exit or stale code comes first.
  absl::StatusOr<SliceEnd> RunSlice(uint64_t budget);

  // The exit of the slice that ended in kExit. An MMIO exit stays pending until CompleteMmio.
  Exit TakeExit();
  bool mmio_pending() const { return mmio_.has_value(); }
  // Finishes the load or store of the MMIO exit with the data that user space left.
  void CompleteMmio();

  // Brings timer lines up to date with the clock; tells whether an interrupt is pending.
  bool UpdateInterrupts();
  // When a timer will raise its line, as MachineClock::Now; nothing where none is armed.
  std::optional<uint64_t> NextDeadline() const;

  uint64_t instructions() const { return Load(instructions_); }
  uint64_t interrupts_taken() const { return Load(interrupts_taken_); }
  uint64_t waits() const { return Load(waits_); }

  void OnCountdown(uint64_t pc) override;
  void OnException(Exception exception) override;
  bool OnMrs(SystemRegister reg, uint64_t* value) override;
  bool OnMsr(SystemRegister reg, uint64_t value) override;
  void OnSys(SystemRegister reg, uint64_t operand) override;
  void OnTranslated(uint64_t pc, uint32_t size) override;

 private:
  using Counter = std::atomic<uint64_t>;

  struct PendingMmio {
    GuestAddress address;
    DataAbort abort;
    std::array<std::byte, 8> data{};
  };

  Cpu(uint32_t index, uint32_t id, const CpuParts& parts)
      : index_(index),
        id_(id),
        clock_(parts.clock),
        memory_(parts.memory),
        code_pages_(parts.code_pages),
        bus_(parts.bus) {}

  static uint64_t Load(const Counter& counter) { return counter.load(std::memory_order_relaxed); }
  // One thread writes at a time, so no atomic addition is needed.
  static void Add(Counter& counter, int64_t count) {
    counter.store(Load(counter) + static_cast<uint64_t>(count), std::memory_order_relaxed);
  }

  // Counting, and events that come with time (cpu.cc). The engine counts down to the next event;
  // SyncCount brings the clock up to date, PlanEvent sets the next.
  void SyncCount();
  void CountOne();
  void UncountFrom(uint64_t next_pc);
  void PlanEvent();
  void TakeIrq(uint64_t pc);
  absl::Status DropStaleCode();

  // Exceptions (cpu_exceptions.cc).
  void Deliver(uint32_t esr, std::optional<uint64_t> far, uint64_t pc);
  bool EmulateUndefined(uint64_t pc);
  bool ExecuteGicInstruction(SystemRegister reg, bool is_read, unsigned rt);
  void HandleStage2Abort(Exception exception, const ExceptionRecord& record, uint64_t pc);
  void HandleMmio(GuestAddress address, DataAbort abort, uint64_t pc);
  void HandleHvc();
  void Fail(uint32_t reason, std::string detail);
  void FinishLoad(const DataAbort& abort, const std::array<std::byte, 8>& data);
  // Ends the slice in progress.
  void EndSlice();
  void EndWith(SliceEnd end);

  // System registers and instructions (cpu_registers.cc).
  bool MayAccessTimer(SystemRegister reg) const;
  bool IsInTtbr1PageTable(uint64_t operand);

  const uint32_t index_;
  const uint32_t id_;
  MachineClock* const clock_;
  MemoryMap* const memory_;
  CodePages* const code_pages_;
  CpuBus* const bus_;
  std::unique_ptr<EngineCpu> engine_cpu_;

  Power power_ = Power::kOff;
  Timer virtual_timer_;
  Timer physical_timer_;
  uint64_t psci_version_ = kPsciVersion11;

  // The slice in progress.
  bool executing_ = false;
  bool irq_pending_ = false;
  std::optional<SliceEnd> end_;
  std::optional<Exit> exit_;
  std::optional<PendingMmio> mmio_;
  uint64_t slice_end_ = 0;    // in clock_->instructions()
  int64_t counted_down_ = 0;  // the countdown up to which instructions are counted

  Counter instructions_ = 0;
  Counter interrupts_taken_ = 0;
  Counter waits_ = 0;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_CPU_H_
