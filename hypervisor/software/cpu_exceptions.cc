// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a CPU does when it takes an exception: the part of KVM between the guest's trap
// and the exit to user space.
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "hypervisor/software/cpu.h"
#include "hypervisor/software/exception_entry.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/translation.h"

namespace firn::software {
namespace {

// MRS, MSR (register), SYS and SYSL share bits [31:22] (Arm ARM C4.1, "System instruction").
constexpr uint32_t kSystemInstructionMask = 0xffc00000;
constexpr uint32_t kSystemInstruction = 0xd5000000;

SystemRegister EncodingOf(uint32_t instruction) {
  return {static_cast<uint8_t>(instruction >> 19 & 3), static_cast<uint8_t>(instruction >> 16 & 7),
          static_cast<uint8_t>(instruction >> 12 & 15), static_cast<uint8_t>(instruction >> 8 & 15),
          static_cast<uint8_t>(instruction >> 5 & 7)};
}

// Load or store (immediate) with pre- or post-index: hardware describes none of these in the
// syndrome, so KVM cannot emulate them.
bool WritesBack(uint32_t instruction) { return (instruction & 0x3b200400) == 0x38000400; }

bool IsGicSystemRegister(SystemRegister reg) {
  return reg.op0 == 3 && (reg.op1 == 0 || reg.op1 == 1) && reg.crn == 12;
}

bool IsGicInstruction(SystemRegister reg) { return reg.op0 == 1 && reg.op1 == 0 && reg.crn == 12; }

// DC CVAP and DC CVADP: of the cache maintenance, those for which Unicorn looks at the address.
bool IsCacheMaintenance(uint32_t instruction) {
  const SystemRegister reg = EncodingOf(instruction);
  return (instruction & kSystemInstructionMask) == kSystemInstruction && reg.op0 == 1 &&
         reg.op1 == 3 && reg.crn == 7 && (reg.crm == 12 || reg.crm == 13) && reg.op2 == 1;
}

uint64_t SignExtend(uint64_t value, unsigned bytes) {
  const unsigned shift = 64 - 8 * bytes;
  return static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
}

}  // namespace

void Cpu::OnException(Exception exception) {
  const uint64_t pc = engine_cpu_->pc();
  if (exception == Exception::kHvc) {
    UncountFrom(pc);
    HandleHvc();
    return;
  }
  if (exception == Exception::kSmc) {
    // KVM traps SMC and, as no such service exists, answers NOT_SUPPORTED.
    UncountFrom(pc);
    engine_cpu_->SetX(0, static_cast<uint64_t>(-1));
    return;
  }
  const ExceptionRecord record = engine_cpu_->exception();
  if (exception == Exception::kUndefined && SyndromeClass(record.syndrome) == kEcUnknown &&
      engine_cpu_->current_el() > 0 && EmulateUndefined(pc)) {
    return;
  }
  const bool is_abort =
      exception == Exception::kDataAbort || exception == Exception::kPrefetchAbort;
  if (is_abort && record.target_el == 2) {
    HandleStage2Abort(exception, record, pc);
    return;
  }
  Deliver(record.syndrome, is_abort ? std::optional<uint64_t>(record.address) : std::nullopt, pc);
}

void Cpu::Deliver(uint32_t esr, std::optional<uint64_t> far, uint64_t pc) {
  UncountFrom(pc);
  TakeException(*engine_cpu_, {.return_address = pc, .esr = esr, .far = far});
  // A vector that cannot be executed leads here for ever, past all that counts instructions and
  // ends slices. On hardware time passes, for other CPUs too.
  if (engine_cpu_->pc() == pc) {
    CountOne();
    EndWith(SliceEnd::kPreempted);
  }
}

// The instructions and registers of the GIC CPU interface are unknown to Unicorn.
bool Cpu::EmulateUndefined(uint64_t pc) {
  const std::optional<uint32_t> instruction = FetchInstruction(*engine_cpu_, *memory_, pc);
  if (!instruction || (*instruction & kSystemInstructionMask) != kSystemInstruction) return false;
  const bool is_read = (*instruction >> 21 & 1) != 0;
  if (!ExecuteGicInstruction(EncodingOf(*instruction), is_read, *instruction & 31)) return false;
  UncountFrom(pc + 4);
  UpdateInterrupts();
  PlanEvent();
  engine_cpu_->SetPc(pc + 4);
  return true;
}

bool Cpu::ExecuteGicInstruction(SystemRegister reg, bool is_read, unsigned rt) {
  gicv5::Vgicv5* gic = bus_->gic();
  if (gic == nullptr) return false;
  UpdateInterrupts();
  if (is_read) {
    uint64_t value = 0;
    const bool known = IsGicInstruction(reg)
                           ? gic->ExecuteSysl(index_, reg, /*nmi_enabled=*/false, &value)
                           : IsGicSystemRegister(reg) && gic->ReadRegister(index_, reg, &value);
    if (known) engine_cpu_->SetX(rt, value);
    return known;
  }
  const uint64_t operand = engine_cpu_->X(rt);
  return IsGicInstruction(reg)
             ? gic->ExecuteSys(index_, reg, operand)
             : IsGicSystemRegister(reg) && gic->WriteRegister(index_, reg, operand);
}

void Cpu::HandleStage2Abort(Exception exception, const ExceptionRecord& record, uint64_t pc) {
  const DataAbort abort(record.syndrome);
  const uint64_t page = engine_cpu_->ReadSystemRegister(reg::kHpfarEl2) >> 4 << 12;
  const GuestAddress address(page | (record.address & 0xfff));
  const bool from_el0 = engine_cpu_->current_el() == 0;
  const bool is_write =
      exception == Exception::kDataAbort && abort.is_write() && !abort.on_table_walk();
  if (memory_->HandleFault(address, is_write)) {
    UncountFrom(pc);
    engine_cpu_->SetPc(pc);  // repeats the access
    return;
  }
  if (exception == Exception::kPrefetchAbort) {
    // Code outside memory: KVM injects an external abort.
    const uint32_t ec = from_el0 ? kEcInstructionAbortLower : kEcInstructionAbortSame;
    Deliver(ec << 26 | kSyndromeIl | kFscExternalAbort, record.address, pc);
    return;
  }
  if (abort.on_table_walk()) {
    const uint32_t ec = from_el0 ? kEcDataAbortLower : kEcDataAbortSame;
    Deliver(ec << 26 | kSyndromeIl | kFscExternalAbort, record.address, pc);
    return;
  }
  UncountFrom(pc);
  const std::optional<uint32_t> instruction = FetchInstruction(*engine_cpu_, *memory_, pc);
  if (instruction && IsCacheMaintenance(*instruction)) {
    // What is not memory is in no cache: KVM goes on behind it.
    CountOne();
    engine_cpu_->SetPc(pc + 4);
    return;
  }
  if (!abort.has_instruction() || !instruction || WritesBack(*instruction)) {
    Fail(kvm::kExitArmNisv,
         absl::StrFormat("the guest's instruction %08x at pc 0x%x accesses 0x%x, which is not "
                         "memory, in a way that no device access may have",
                         instruction.value_or(0), pc, address.value));
    return;
  }
  HandleMmio(address, abort, pc);
}

void Cpu::HandleMmio(GuestAddress address, DataAbort abort, uint64_t pc) {
  PendingMmio mmio{.address = address, .abort = abort};
  const unsigned size = abort.size();
  gicv5::Vgicv5* gic = bus_->gic();
  const absl::Span<std::byte> data(mmio.data.data(), size);
  if (!abort.is_write()) {
    if (gic == nullptr || !gic->MmioRead(address, data)) {
      mmio_ = mmio;
      EndWith(SliceEnd::kExit);
    } else {
      FinishLoad(abort, mmio.data);
      CountOne();
      engine_cpu_->SetPc(pc + 4);
    }
  } else {
    const uint64_t value = engine_cpu_->X(abort.reg());
    memcpy(mmio.data.data(), &value, size);
    uint64_t stored = 0;
    memcpy(&stored, mmio.data.data(), size);
    const bool by_gic = gic != nullptr && gic->MmioWrite(address, data);
    if (!by_gic && !bus_->SignalIoEventFd(address, size, stored)) {
      mmio_ = mmio;
      EndWith(SliceEnd::kExit);
    } else {
      CountOne();
      engine_cpu_->SetPc(pc + 4);
      if (by_gic) {
        UpdateInterrupts();
      } else {
        EndWith(SliceEnd::kDoorbell);
      }
    }
  }
  if (mmio_) {
    exit_ = MmioExit{.address = address,
                     .is_write = abort.is_write(),
                     .data = absl::MakeSpan(mmio_->data.data(), size)};
  }
}

void Cpu::FinishLoad(const DataAbort& abort, const std::array<std::byte, 8>& data) {
  uint64_t value = 0;
  memcpy(&value, data.data(), abort.size());
  if (abort.sign_extends()) value = SignExtend(value, abort.size());
  if (!abort.is_64_bit()) value = static_cast<uint32_t>(value);
  engine_cpu_->SetX(abort.reg(), value);
}

void Cpu::CompleteMmio() {
  if (!mmio_->abort.is_write()) FinishLoad(mmio_->abort, mmio_->data);
  mmio_.reset();
  CountOne();
  engine_cpu_->SetPc(engine_cpu_->pc() + 4);
}

void Cpu::HandleHvc() {
  const PsciResult result = HandleHypercall(
      *bus_, {engine_cpu_->X(0), engine_cpu_->X(1), engine_cpu_->X(2), engine_cpu_->X(3)},
      psci_version_);
  engine_cpu_->SetX(0, result.x0);
  switch (result.action) {
    case PsciResult::Action::kContinue:
      break;
    case PsciResult::Action::kCpuOff:
      power_ = Power::kOff;
      EndWith(SliceEnd::kStopped);
      break;
    case PsciResult::Action::kCpuSuspend:
      Add(waits_, 1);
      power_ = Power::kWaiting;
      EndWith(SliceEnd::kWaiting);
      break;
    case PsciResult::Action::kSystemOff:
      exit_ = SystemEventExit{kvm::kSystemEventShutdown};
      EndWith(SliceEnd::kExit);
      break;
    case PsciResult::Action::kSystemReset:
      exit_ = SystemEventExit{kvm::kSystemEventReset};
      EndWith(SliceEnd::kExit);
      break;
  }
}

void Cpu::Fail(uint32_t reason, std::string detail) {
  exit_ = FailureExit{.reason = reason, .detail = std::move(detail)};
  EndWith(SliceEnd::kExit);
}

}  // namespace firn::software
