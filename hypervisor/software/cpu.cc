// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/cpu.h"

#include <algorithm>
#include <limits>

#include "hypervisor/software/exception_entry.h"
#include "hypervisor/software/translation.h"

namespace firn::software {
namespace {

// How often a slice looks at attention() and, in real time, at the clock; in instructions.
constexpr uint64_t kPollInterval = 4096;

constexpr uint32_t kVirtualTimerPpi = 27;
constexpr uint32_t kPhysicalTimerPpi = 30;
constexpr uint32_t kPstateI = 1u << 7;
constexpr uint64_t kMpidrRes1 = uint64_t{1} << 31;

}  // namespace

absl::StatusOr<std::unique_ptr<Cpu>> Cpu::Create(uint32_t index, uint32_t id,
                                                 const CpuParts& parts) {
  std::unique_ptr<Cpu> cpu(new Cpu(index, id, parts));
  absl::StatusOr<std::unique_ptr<EngineCpu>> engine_cpu =
      EngineCpu::Create(parts.engine, cpu.get());
  if (!engine_cpu.ok()) return engine_cpu.status();
  cpu->engine_cpu_ = *std::move(engine_cpu);
  return cpu;
}

uint64_t Cpu::mpidr() const { return kMpidrRes1 | MpidrAffinity(id_); }

void Cpu::Reset() {
  virtual_timer_ = Timer();
  physical_timer_ = Timer();
  mmio_.reset();
  exit_.reset();
  engine_cpu_->Reset();
}

void Cpu::PowerOn(uint64_t entry, uint64_t context) {
  Reset();
  engine_cpu_->SetEntry(entry, context);
  power_ = Power::kRunnable;
}

absl::StatusOr<SliceEnd> Cpu::RunSlice(uint64_t budget) {
  slice_end_ = clock_->instructions() + budget;
  while (true) {
    if (absl::Status status = DropStaleCode(); !status.ok()) return status;
    UpdateInterrupts();
    if (irq_pending_ && (engine_cpu_->pstate() & kPstateI) == 0) TakeIrq(engine_cpu_->pc());
    PlanEvent();
    end_.reset();
    engine_cpu_->block_count().start = engine_cpu_->block_count().end = 0;

    executing_ = true;
    bool stopped = false;
    absl::Status status = engine_cpu_->Run(&stopped);
    executing_ = false;
    UncountFrom(engine_cpu_->pc());
    if (!status.ok()) {
      Fail(kvm::kExitInternalError, std::string(status.message()));
      return SliceEnd::kExit;
    }
    if (exit_) return SliceEnd::kExit;
    if (end_) return *end_;
    if (!stopped) {
      Add(waits_, 1);
      power_ = Power::kWaiting;
      return SliceEnd::kWaiting;
    }
    // Stopped only to drop stale code, or by EngineCpu::Run itself: go on with the same slice.
    if (clock_->instructions() >= slice_end_ || bus_->attention()) return SliceEnd::kPreempted;
  }
}

absl::Status Cpu::DropStaleCode() {
  absl::Status status = code_pages_->Apply(engine_cpu_->engine(), *memory_);
  // Unicorn does not report the first block that it translates after a start.
  if (const auto page = TranslateStage1(*engine_cpu_, *memory_, engine_cpu_->pc())) {
    code_pages_->Add(*page);
  }
  return status;
}

void Cpu::EndSlice() {
  if (executing_ && !engine_cpu_->stop_requested()) engine_cpu_->Stop();
}

void Cpu::EndWith(SliceEnd end) {
  end_ = end;
  EndSlice();
}

void Cpu::SyncCount() {
  BlockCount& block = engine_cpu_->block_count();
  const int64_t executed = counted_down_ - block.countdown;
  clock_->AddInstructions(executed);
  Add(instructions_, executed);
  counted_down_ = block.countdown;
}

// An instruction that was completed outside the engine.
void Cpu::CountOne() {
  clock_->AddInstructions(1);
  Add(instructions_, 1);
}

// A block is counted when it starts; takes back what lies behind `next_pc` in it.
void Cpu::UncountFrom(uint64_t next_pc) {
  BlockCount& block = engine_cpu_->block_count();
  if (next_pc >= block.start && next_pc < block.end) {
    block.countdown += static_cast<int64_t>((block.end - next_pc) / 4);
    block.end = next_pc;
  }
  SyncCount();
}

std::optional<uint64_t> Cpu::NextDeadline() const {
  uint64_t next = kNever;
  if (virtual_timer_.IsArmed() && !virtual_timer_.Line(clock_->Counter())) {
    next = clock_->WhenCounterReaches(virtual_timer_.cval());
  }
  if (physical_timer_.IsArmed() && !physical_timer_.Line(clock_->PhysicalCounter())) {
    next = std::min(next, clock_->WhenPhysicalCounterReaches(physical_timer_.cval()));
  }
  if (next == kNever) return std::nullopt;
  return next;
}

// Sets the countdown to the first thing that the slice has to look up for.
void Cpu::PlanEvent() {
  SyncCount();
  const uint64_t now = clock_->instructions();
  uint64_t delay = std::min(kPollInterval, slice_end_ > now ? slice_end_ - now : 0);
  if (!clock_->is_real()) {
    if (const std::optional<uint64_t> deadline = NextDeadline()) {
      delay = std::min(delay, *deadline - clock_->Now());
    }
  }
  // A pending interrupt is taken at the first block that finds it unmasked.
  if (irq_pending_) delay = 0;
  engine_cpu_->block_count().countdown = counted_down_ = static_cast<int64_t>(delay);
}

bool Cpu::UpdateInterrupts() {
  gicv5::Vgicv5* gic = bus_->gic();
  if (gic == nullptr) return irq_pending_ = false;
  gic->SetPpiLine(index_, kVirtualTimerPpi, virtual_timer_.Line(clock_->Counter()));
  gic->SetPpiLine(index_, kPhysicalTimerPpi, physical_timer_.Line(clock_->PhysicalCounter()));
  // Without FEAT_NMI, which the ID registers hide, superpriority is signalled as IRQ too.
  return irq_pending_ = gic->IrqAsserted(index_) || gic->NmiAsserted(index_);
}

void Cpu::TakeIrq(uint64_t pc) {
  Add(interrupts_taken_, 1);
  TakeException(*engine_cpu_, {.vector = Vector::kIrq, .return_address = pc});
}

// The block at `pc` has been counted but not executed. Until the next event, no block comes here.
void Cpu::OnCountdown(uint64_t pc) {
  if (engine_cpu_->stop_requested()) return;
  const BlockCount& block = engine_cpu_->block_count();
  const auto size = static_cast<int64_t>((block.end - block.start) / 4);
  UncountFrom(pc);
  if (clock_->instructions() >= slice_end_ || bus_->attention()) {
    EndWith(SliceEnd::kPreempted);
    return;
  }
  if (UpdateInterrupts() && (engine_cpu_->pstate() & kPstateI) == 0) {
    TakeIrq(pc);
    PlanEvent();
    return;
  }
  PlanEvent();
  // The block executes now: counted again.
  engine_cpu_->block_count() = {engine_cpu_->block_count().countdown - size, pc,
                                pc + static_cast<uint64_t>(size) * 4};
}

Exit Cpu::TakeExit() {
  Exit exit = *std::move(exit_);
  exit_.reset();
  return exit;
}

}  // namespace firn::software
