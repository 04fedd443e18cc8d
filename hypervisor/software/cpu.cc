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

absl::StatusOr<std::unique_ptr<Cpu>> Cpu::Create(const ContextLayout& layout, uint32_t index,
                                                 uint32_t id, MachineClock* clock,
                                                 MemoryMap* memory, CpuBus* bus) {
  std::unique_ptr<Cpu> cpu(new Cpu(index, id, clock, memory, bus));
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(layout, cpu.get());
  if (!engine.ok()) return engine.status();
  cpu->engine_ = *std::move(engine);
  if (absl::Status status = memory->AddEngine(cpu->engine_.get()); !status.ok()) return status;
  return cpu;
}

Cpu::~Cpu() {
  if (engine_ != nullptr) memory_->RemoveEngine(engine_.get());
}

uint64_t Cpu::mpidr() const { return kMpidrRes1 | MpidrAffinity(id_); }

absl::Status Cpu::Reset() {
  virtual_timer_ = Timer();
  physical_timer_ = Timer();
  mmio_.reset();
  exit_.reset();
  return engine_->Reset();
}

void Cpu::PowerOn(uint64_t entry, uint64_t context) {
  if (absl::Status status = Reset(); !status.ok()) {
    Fail(kvm::kExitInternalError, std::string(status.message()));
    return;
  }
  engine_->SetPc(entry);
  engine_->SetX(0, context);
  power_ = Power::kRunnable;
}

absl::StatusOr<SliceEnd> Cpu::RunSlice(uint64_t budget) {
  slice_end_ = clock_->instructions() + budget;
  while (true) {
    if (absl::Status status = DropStaleState(); !status.ok()) return status;
    UpdateInterrupts();
    if (irq_pending_ && (engine_->pstate() & kPstateI) == 0) TakeIrq(engine_->pc());
    PlanEvent();
    end_.reset();
    block_start_ = block_end_ = 0;

    executing_ = true;
    bool stopped = false;
    absl::Status status = engine_->Run(&stopped);
    executing_ = false;
    UncountFrom(engine_->pc());
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
    // Stopped only to drop stale code: go on with the same slice.
    if (clock_->instructions() >= slice_end_ || bus_->attention()) return SliceEnd::kPreempted;
  }
}

absl::Status Cpu::DropStaleState() {
  if (tlb_stale_) {
    engine_->FlushTlb();
    tlb_stale_ = false;
  }
  absl::Status status = code_pages_.Apply(*engine_);
  // Unicorn does not report the first block that it translates after a start.
  if (const auto page = TranslateStage1(*engine_, *memory_, engine_->pc())) code_pages_.Add(*page);
  return status;
}

void Cpu::EndSlice() {
  if (executing_ && !engine_->stop_requested()) engine_->Stop();
}

void Cpu::EndWith(SliceEnd end) {
  end_ = end;
  EndSlice();
}

void Cpu::CountInstructions(int64_t count) {
  clock_->AddInstructions(count);
  Add(instructions_, count);
}

// A block is counted when it starts; takes back what lies behind `next_pc` in it.
void Cpu::UncountFrom(uint64_t next_pc) {
  if (next_pc >= block_start_ && next_pc < block_end_) {
    CountInstructions(-static_cast<int64_t>((block_end_ - next_pc) / 4));
    block_end_ = next_pc;
  }
}

std::optional<uint64_t> Cpu::NextDeadline() const {
  std::optional<uint64_t> next;
  const uint64_t counter = clock_->Counter();
  for (const Timer* timer : {&virtual_timer_, &physical_timer_}) {
    if (!timer->IsArmed() || timer->Line(counter)) continue;
    const uint64_t when = clock_->WhenCounterReaches(timer->cval());
    next = next ? std::min(*next, when) : when;
  }
  return next;
}

// The instruction count at which the slice next needs HandleEvent.
void Cpu::PlanEvent() {
  const uint64_t now = clock_->instructions();
  next_event_ = std::min(slice_end_, now + kPollInterval);
  if (!clock_->is_real()) {
    if (const std::optional<uint64_t> deadline = NextDeadline()) {
      next_event_ = std::min(next_event_, now + (*deadline - clock_->Now()));
    }
  }
}

bool Cpu::UpdateInterrupts() {
  gicv5::Vgicv5* gic = bus_->gic();
  if (gic == nullptr) return irq_pending_ = false;
  const uint64_t counter = clock_->Counter();
  gic->SetPpiLine(index_, kVirtualTimerPpi, virtual_timer_.Line(counter));
  gic->SetPpiLine(index_, kPhysicalTimerPpi, physical_timer_.Line(counter));
  // Without FEAT_NMI, which the ID registers hide, superpriority is signalled as IRQ too.
  return irq_pending_ = gic->IrqAsserted(index_) || gic->NmiAsserted(index_);
}

void Cpu::TakeIrq(uint64_t pc) {
  Add(interrupts_taken_, 1);
  TakeException(*engine_, {.vector = Vector::kIrq, .return_address = pc});
}

void Cpu::OnBlock(uint64_t pc, uint32_t size) {
  if (irq_pending_ && !engine_->stop_requested() && (engine_->pstate() & kPstateI) == 0) {
    TakeIrq(pc);
    return;
  }
  block_start_ = pc;
  block_end_ = pc + size;
  CountInstructions(size / 4);
  if (clock_->instructions() >= next_event_) HandleEvent(size);
}

// Between blocks: the one that is about to start has been counted, but not executed.
void Cpu::HandleEvent(uint32_t block_size) {
  if (clock_->instructions() - block_size / 4 >= slice_end_ || bus_->attention()) {
    EndWith(SliceEnd::kPreempted);
    return;
  }
  UpdateInterrupts();
  PlanEvent();
}

Exit Cpu::TakeExit() {
  Exit exit = *std::move(exit_);
  exit_.reset();
  return exit;
}

}  // namespace firn::software
