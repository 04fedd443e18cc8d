// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/engine.h"

#include <utility>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/software/engine_cpu.h"
#include "hypervisor/software/page_size.h"
#include "hypervisor/software/syndrome.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/translation_buffer.h"

namespace firn::software {
namespace {

constexpr uint64_t kInstructionBytes = 4;
constexpr uint32_t kResetPstate = 0x3c5;  // EL1h, DAIF masked

// SCR_EL3: EL2 and below are Non-secure, AArch64 and may use HVC.
constexpr uint64_t kScrEl3 = 1u << 0 | 1u << 8 | 1u << 10;
constexpr uint64_t kHcrRw = uint64_t{1} << 31;
constexpr uint64_t kHcrVm = 1;
// CNTHCTL_EL2: EL1 reaches the physical counter and timer.
constexpr uint64_t kCnthctl = 3;

SystemRegister Decode(const uc_arm64_cp_reg* reg) {
  return {static_cast<uint8_t>(reg->op0), static_cast<uint8_t>(reg->op1),
          static_cast<uint8_t>(reg->crn), static_cast<uint8_t>(reg->crm),
          static_cast<uint8_t>(reg->op2)};
}

uc_arm64_cp_reg Encode(SystemRegister reg, uint64_t value) {
  return {
      .crn = reg.crn, .crm = reg.crm, .op0 = reg.op0, .op1 = reg.op1, .op2 = reg.op2, .val = value};
}

}  // namespace

absl::Status UnicornStatus(uc_err error, std::string_view call) {
  if (error == UC_ERR_OK) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("Unicorn ", call, ": ", uc_strerror(error)));
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineLayout& layout) {
  std::unique_ptr<Engine> engine(new Engine(layout));
  absl::Status status = engine->OpenUnicorn();
  if (status.ok()) status = engine->SetResetState();
  if (status.ok()) status = engine->AddHooks();
  if (!status.ok()) return status;
  return engine;
}

absl::Status Engine::OpenUnicorn() {
  absl::Status status = UnicornStatus(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc_), "uc_open");
  if (!status.ok()) return status;
  status.Update(UnicornStatus(uc_ctl_set_cpu_model(uc_, UC_CPU_ARM64_MAX), "set_cpu_model"));
  status.Update(UnicornStatus(SetPageSize(uc_, layout_.page_size_argument), "set_page_size"));
  status.Update(UnicornStatus(uc_ctl_exits_enable(uc_), "exits_enable"));
  status.Update(UnicornStatus(uc_ctl_set_tcg_buffer_size(uc_, kTranslationBufferBytes),
                              "set_tcg_buffer_size"));
  if (!status.ok()) return status;
  // A new Unicorn does not know that its buffer is in use: when it first is full, it would begin
  // anew in it, without forgetting what is there. Only after a flush does it flush then.
  return UnicornStatus(uc_ctl_flush_tb(uc_), "flush_tb");
}

absl::Status Engine::SetResetState() {
  absl::StatusOr<Context> context = NewContext();
  if (!context.ok()) return context.status();
  reset_state_ = *std::move(context);

  WriteSystemRegister(reg::kScrEl3, kScrEl3);
  WriteSystemRegister(reg::kHcrEl2, kHcrRw);
  WriteSystemRegister(reg::kCnthctlEl2, kCnthctl);
  const uint64_t pstate = kResetPstate;
  uc_reg_write(uc_, UC_ARM64_REG_PSTATE, &pstate);
  WriteSystemRegister(reg::kSpsrEl1, 0);  // makes Unicorn see the new PSTATE
  SaveContext(reset_state_);
  return absl::OkStatus();
}

absl::StatusOr<Context> Engine::NewContext() {
  uc_context* context = nullptr;
  absl::Status status = UnicornStatus(uc_context_alloc(uc_, &context), "context_alloc");
  if (!status.ok()) return status;
  return Context(context);
}

EngineClient& Engine::client() const { return *loaded_->client_; }

void Engine::BlockHook(uc_engine*, uint64_t pc, uint32_t size, void* user) {
  Engine* engine = static_cast<Engine*>(user);
  BlockCount& count = engine->block_count_;
  count.start = pc;
  count.end = pc + size;
  count.countdown -= size / 4;
  if (count.countdown <= 0) [[unlikely]]
    engine->client().OnCountdown(pc);
}

void Engine::TranslatedHook(uc_engine*, uc_tb* block, uc_tb*, void* user) {
  Engine* engine = static_cast<Engine*>(user);
  engine->hooked_regions_.OnTranslated();
  engine->client().OnTranslated(block->pc, block->size);
}

void Engine::InterruptHook(uc_engine*, uint32_t number, void* user) {
  Engine* engine = static_cast<Engine*>(user);
  const auto exception = static_cast<Exception>(number);
  if (!engine->EndsStep(exception)) engine->client().OnException(exception);
}

uint32_t Engine::MrsHook(uc_engine* uc, uc_arm64_reg rt, const uc_arm64_cp_reg* reg, void* user) {
  uint64_t value = 0;
  if (!static_cast<Engine*>(user)->client().OnMrs(Decode(reg), &value)) return 0;
  uc_reg_write(uc, rt, &value);
  return 1;
}

uint32_t Engine::MsrHook(uc_engine*, uc_arm64_reg, const uc_arm64_cp_reg* reg, void* user) {
  return static_cast<Engine*>(user)->client().OnMsr(Decode(reg), reg->val) ? 1 : 0;
}

uint32_t Engine::SysHook(uc_engine*, uc_arm64_reg, const uc_arm64_cp_reg* reg, void* user) {
  static_cast<Engine*>(user)->client().OnSys(Decode(reg), reg->val);
  return 0;
}

absl::Status Engine::AddHooks() {
  uc_hook handle = 0;
  const auto add = [&](int type, auto* function, auto... instruction) {
    return UnicornStatus(uc_hook_add(uc_, &handle, type, reinterpret_cast<void*>(function), this, 1,
                                     0, instruction...),
                         "hook_add");
  };
  absl::Status status = add(UC_HOOK_INTR, InterruptHook);
  status.Update(add(UC_HOOK_BLOCK, BlockHook));
  if (!status.ok()) return status;
  hooked_regions_ = HookedRegions(handle, layout_.hooked_regions_offset);
  status.Update(add(UC_HOOK_EDGE_GENERATED, TranslatedHook));
  status.Update(add(UC_HOOK_INSN, MrsHook, UC_ARM64_INS_MRS));
  status.Update(add(UC_HOOK_INSN, MsrHook, UC_ARM64_INS_MSR));
  status.Update(add(UC_HOOK_INSN, SysHook, UC_ARM64_INS_SYS));
  return status;
}

Engine::~Engine() {
  reset_state_.reset();
  if (uc_ != nullptr) uc_close(uc_);
}

std::string Engine::Version() {
  unsigned major = 0, minor = 0;
  const unsigned version = uc_version(&major, &minor);
  return absl::StrCat(major, ".", minor, ".", version >> 8 & 0xff);
}

absl::Status Engine::Reopen() {
  const EngineCpu* const cpu = loaded_;
  PutAway();
  step_.reset();
  uc_engine* const former = std::exchange(uc_, nullptr);
  absl::Status status = OpenUnicorn();
  if (status.ok()) status = AddHooks();
  for (const auto& [address, memory] : memory_) {
    if (status.ok()) status = MapInUnicorn(address, memory);
  }
  if (!status.ok()) {
    gave_up_ = true;
    if (uc_ == nullptr) uc_ = former;
    if (uc_ != former) uc_close(former);
    return status;
  }
  uc_close(former);
  Load(*cpu);
  return absl::OkStatus();
}

absl::Status Engine::MapMemory(uint64_t address, uint64_t size, std::byte* host) {
  const MappedMemory memory{.size = size, .host = host};
  absl::Status status = MapInUnicorn(address, memory);
  if (status.ok()) memory_.emplace(address, memory);
  return status;
}

absl::Status Engine::MapInUnicorn(uint64_t address, const MappedMemory& memory) {
  return UnicornStatus(uc_mem_map_ptr(uc_, address, memory.size, UC_PROT_ALL, memory.host),
                       "mem_map_ptr");
}

absl::Status Engine::UnmapMemory(uint64_t address, uint64_t size) {
  memory_.erase(address);
  return UnicornStatus(uc_mem_unmap(uc_, address, size), "mem_unmap");
}

void Engine::SetStage2(uint64_t vttbr, uint64_t vtcr) {
  PutAway();
  RestoreContext(reset_state_);
  WriteSystemRegister(reg::kVtcrEl2, vtcr);
  WriteSystemRegister(reg::kVttbrEl2, vttbr);
  WriteSystemRegister(reg::kHcrEl2, kHcrRw | kHcrVm);
  SaveContext(reset_state_);
}

void Engine::SaveContext(const Context& context) const {
  CHECK_EQ(uc_context_save(uc_, context.get()), UC_ERR_OK);
}

void Engine::RestoreContext(const Context& context) {
  CHECK_EQ(uc_context_restore(uc_, context.get()), UC_ERR_OK);
}

void Engine::PutAway() {
  CHECK(!executes_);
  if (loaded_ == nullptr) return;
  SaveContext(loaded_->context_);
  loaded_->block_count_ = block_count_;
  loaded_ = nullptr;
}

void Engine::Load(const EngineCpu& cpu) {
  PutAway();
  RestoreContext(cpu.context_);
  block_count_ = cpu.block_count_;
  loaded_ = &cpu;
  // Unicorn does not tell the translations of one CPU from another's.
  FlushTlb();
}

void Engine::SetStep(std::optional<uint64_t> address) {
  step_ = address;
  uint64_t exit = address.value_or(0) + kInstructionBytes;
  CHECK_EQ(uc_ctl_set_exits(uc_, &exit, address ? 1 : 0), UC_ERR_OK);
}

// Unicorn executes WFI at an address where it is to stop. That is trapped where EL0 may not.
bool Engine::EndsStep(Exception exception) {
  if (!step_ || exception != Exception::kUndefined || loaded_->pc() != *step_ ||
      SyndromeClass(loaded_->exception().syndrome) != kEcTrappedWf) {
    return false;
  }
  const uint64_t next = *step_ + kInstructionBytes;
  uc_reg_write(uc_, UC_ARM64_REG_PC, &next);
  uc_emu_stop(uc_);
  return true;
}

void Engine::FlushTlb() { CHECK_EQ(uc_ctl_flush_tlb(uc_), UC_ERR_OK); }

void Engine::DropAllCode() { CHECK_EQ(uc_ctl_flush_tb(uc_), UC_ERR_OK); }

absl::Status Engine::DropCodeOf(absl::Span<const uint64_t> pages) {
  PutAway();
  // Unicorn looks a page up by its virtual address: with stage 1 off, as at reset, that is the
  // physical one. What the TLB has of a CPU must not be found instead, nor stay for one.
  RestoreContext(reset_state_);
  FlushTlb();
  absl::Status status;
  for (const uint64_t page : pages) {
    status.Update(UnicornStatus(uc_ctl_remove_cache(uc_, page, page + 4096), "remove_cache"));
  }
  return status;
}

uint64_t Engine::ReadSystemRegister(SystemRegister reg) const {
  uc_arm64_cp_reg cp = Encode(reg, 0);
  return uc_reg_read(uc_, UC_ARM64_REG_CP_REG, &cp) == UC_ERR_OK ? cp.val : 0;
}

void Engine::WriteSystemRegister(SystemRegister reg, uint64_t value) {
  uc_arm64_cp_reg cp = Encode(reg, value);
  uc_reg_write(uc_, UC_ARM64_REG_CP_REG, &cp);
}

}  // namespace firn::software
