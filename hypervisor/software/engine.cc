// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/engine.h"

#include <cstring>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/software/page_size.h"
#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

constexpr uint32_t kTranslationBufferBytes = 64u << 20;
constexpr uint32_t kResetPstate = 0x3c5;  // EL1h, DAIF masked

// SCR_EL3: EL2 and below are Non-secure, AArch64 and may use HVC.
constexpr uint64_t kScrEl3 = 1u << 0 | 1u << 8 | 1u << 10;
constexpr uint64_t kHcrRw = uint64_t{1} << 31;
constexpr uint64_t kHcrVm = 1;
// CNTHCTL_EL2: EL1 reaches the physical counter and timer.
constexpr uint64_t kCnthctl = 3;

absl::Status UnicornError(uc_err error, std::string_view call) {
  if (error == UC_ERR_OK) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("Unicorn ", call, ": ", uc_strerror(error)));
}

SystemRegister Decode(const uc_arm64_cp_reg* reg) {
  return {static_cast<uint8_t>(reg->op0), static_cast<uint8_t>(reg->op1),
          static_cast<uint8_t>(reg->crn), static_cast<uint8_t>(reg->crm),
          static_cast<uint8_t>(reg->op2)};
}

uc_arm64_cp_reg Encode(SystemRegister reg, uint64_t value) {
  return {
      .crn = reg.crn, .crm = reg.crm, .op0 = reg.op0, .op1 = reg.op1, .op2 = reg.op2, .val = value};
}

int XRegister(unsigned n) {
  if (n <= 28) return UC_ARM64_REG_X0 + static_cast<int>(n);
  return n == 29 ? UC_ARM64_REG_X29 : UC_ARM64_REG_X30;
}

EngineClient* Client(void* user) { return static_cast<EngineClient*>(user); }

void InterruptHook(uc_engine*, uint32_t number, void* user) {
  Client(user)->OnException(static_cast<Exception>(number));
}
uint32_t MrsHook(uc_engine* uc, uc_arm64_reg rt, const uc_arm64_cp_reg* reg, void* user) {
  uint64_t value = 0;
  if (!Client(user)->OnMrs(Decode(reg), &value)) return 0;
  uc_reg_write(uc, rt, &value);
  return 1;
}
uint32_t MsrHook(uc_engine*, uc_arm64_reg, const uc_arm64_cp_reg* reg, void* user) {
  return Client(user)->OnMsr(Decode(reg), reg->val) ? 1 : 0;
}
uint32_t SysHook(uc_engine*, uc_arm64_reg, const uc_arm64_cp_reg* reg, void* user) {
  Client(user)->OnSys(Decode(reg), reg->val);
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineLayout& layout,
                                                     EngineClient* client) {
  std::unique_ptr<Engine> engine(new Engine(layout, client));
  if (absl::Status status = engine->Initialize(); !status.ok()) return status;
  return engine;
}

absl::Status Engine::Initialize() {
  absl::Status status = UnicornError(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc_), "uc_open");
  status.Update(UnicornError(uc_ctl_set_cpu_model(uc_, UC_CPU_ARM64_MAX), "set_cpu_model"));
  status.Update(UnicornError(SetPageSize(uc_, layout_.page_size_argument), "set_page_size"));
  status.Update(UnicornError(uc_ctl_exits_enable(uc_), "exits_enable"));
  status.Update(UnicornError(uc_ctl_set_tcg_buffer_size(uc_, kTranslationBufferBytes),
                             "set_tcg_buffer_size"));
  status.Update(UnicornError(uc_context_alloc(uc_, &scratch_), "context_alloc"));
  status.Update(UnicornError(uc_context_alloc(uc_, &reset_state_), "context_alloc"));
  if (!status.ok()) return status;

  WriteSystemRegister(reg::kScrEl3, kScrEl3);
  WriteSystemRegister(reg::kHcrEl2, kHcrRw);
  WriteSystemRegister(reg::kCnthctlEl2, kCnthctl);
  SetPstate(kResetPstate);
  WriteSystemRegister(reg::kSpsrEl1, 0);
  status.Update(UnicornError(uc_context_save(uc_, reset_state_), "context_save"));
  if (client_ != nullptr) status.Update(AddHooks());
  return status;
}

void Engine::BlockHook(uc_engine*, uint64_t pc, uint32_t size, void* user) {
  Engine* engine = static_cast<Engine*>(user);
  BlockCount& count = engine->block_count_;
  count.start = pc;
  count.end = pc + size;
  count.countdown -= size / 4;
  if (count.countdown <= 0) [[unlikely]]
    engine->client_->OnCountdown(pc);
}

void Engine::TranslatedHook(uc_engine*, uc_tb* block, uc_tb*, void* user) {
  Engine* engine = static_cast<Engine*>(user);
  engine->hooked_regions_.OnTranslated();
  engine->client_->OnTranslated(block->pc, block->size);
}

absl::Status Engine::AddHooks() {
  uc_hook handle = 0;
  const auto add = [&](int type, void* function, void* user) {
    return UnicornError(uc_hook_add(uc_, &handle, type, function, user, 1, 0), "hook_add");
  };
  const auto add_instruction = [&](void* function, int instruction) {
    return UnicornError(
        uc_hook_add(uc_, &handle, UC_HOOK_INSN, function, client_, 1, 0, instruction), "hook_add");
  };
  absl::Status status = add(UC_HOOK_INTR, reinterpret_cast<void*>(InterruptHook), client_);
  status.Update(add(UC_HOOK_BLOCK, reinterpret_cast<void*>(BlockHook), this));
  if (!status.ok()) return status;
  hooked_regions_ = HookedRegions(handle, layout_.hooked_regions_offset);
  status.Update(add(UC_HOOK_EDGE_GENERATED, reinterpret_cast<void*>(TranslatedHook), this));
  status.Update(add_instruction(reinterpret_cast<void*>(MrsHook), UC_ARM64_INS_MRS));
  status.Update(add_instruction(reinterpret_cast<void*>(MsrHook), UC_ARM64_INS_MSR));
  status.Update(add_instruction(reinterpret_cast<void*>(SysHook), UC_ARM64_INS_SYS));
  return status;
}

Engine::~Engine() {
  if (reset_state_ != nullptr) uc_context_free(reset_state_);
  if (scratch_ != nullptr) uc_context_free(scratch_);
  if (uc_ != nullptr) uc_close(uc_);
}

std::string Engine::Version() {
  unsigned major = 0, minor = 0;
  const unsigned version = uc_version(&major, &minor);
  return absl::StrCat(major, ".", minor, ".", version >> 8 & 0xff);
}

absl::Status Engine::Reset() {
  absl::Status status = UnicornError(uc_context_restore(uc_, reset_state_), "context_restore");
  if (!status.ok()) return status;
  if (vtcr_ != 0) SetStage2(vttbr_, vtcr_);
  FlushTlb();
  return absl::OkStatus();
}

absl::Status Engine::MapMemory(uint64_t address, uint64_t size, std::byte* host) {
  return UnicornError(uc_mem_map_ptr(uc_, address, size, UC_PROT_ALL, host), "mem_map_ptr");
}

absl::Status Engine::UnmapMemory(uint64_t address, uint64_t size) {
  return UnicornError(uc_mem_unmap(uc_, address, size), "mem_unmap");
}

void Engine::SetStage2(uint64_t vttbr, uint64_t vtcr) {
  vttbr_ = vttbr;
  vtcr_ = vtcr;
  WriteSystemRegister(reg::kVtcrEl2, vtcr);
  WriteSystemRegister(reg::kVttbrEl2, vttbr);
  WriteSystemRegister(reg::kHcrEl2, kHcrRw | kHcrVm);
}

absl::Status Engine::Run(bool* stopped) {
  stop_requested_ = false;
  const uc_err error = uc_emu_start(uc_, pc(), 0, 0, 0);
  *stopped = stop_requested_;
  return UnicornError(error, absl::StrCat("emu_start at pc 0x", absl::Hex(pc())));
}

void Engine::Stop() {
  stop_requested_ = true;
  uc_emu_stop(uc_);
}

void Engine::FlushTlb() { CHECK_EQ(uc_ctl_flush_tlb(uc_), UC_ERR_OK); }

void Engine::DropAllCode() { CHECK_EQ(uc_ctl_flush_tb(uc_), UC_ERR_OK); }

absl::Status Engine::DropPage(uint64_t page_address) {
  // Unicorn looks the page up by virtual address: with stage 1 off that is the physical one.
  constexpr uint64_t kSctlrM = 1;
  const uint64_t sctlr = ReadSystemRegister(reg::kSctlrEl1);
  WriteSystemRegister(reg::kSctlrEl1, sctlr & ~kSctlrM);
  const uc_err error = uc_ctl_remove_cache(uc_, page_address, page_address + 4096);
  WriteSystemRegister(reg::kSctlrEl1, sctlr);
  return UnicornError(error, "remove_cache");
}

void Engine::ClearExclusiveMonitor() {
  constexpr uint64_t kNone = ~uint64_t{0};
  uc_context_save(uc_, scratch_);
  std::byte* marked = reinterpret_cast<std::byte*>(scratch_) + layout_.monitor_offset;
  if (memcmp(marked, &kNone, sizeof(kNone)) == 0) return;
  memcpy(marked, &kNone, sizeof(kNone));
  uc_context_restore(uc_, scratch_);
}

ExceptionRecord Engine::exception() const {
  uc_context_save(uc_, scratch_);
  const std::byte* record = reinterpret_cast<const std::byte*>(scratch_) + layout_.exception_offset;
  ExceptionRecord exception;
  memcpy(&exception.syndrome, record, sizeof(exception.syndrome));
  memcpy(&exception.address, record + 8, sizeof(exception.address));
  memcpy(&exception.target_el, record + 16, sizeof(exception.target_el));
  return exception;
}

uint64_t Engine::Read(int reg) const {
  uint64_t value = 0;
  uc_reg_read(uc_, reg, &value);
  return value;
}

void Engine::Write(int reg, uint64_t value) { uc_reg_write(uc_, reg, &value); }

uint64_t Engine::X(unsigned n) const { return n > 30 ? 0 : Read(XRegister(n)); }

void Engine::SetX(unsigned n, uint64_t value) {
  if (n <= 30) Write(XRegister(n), value);
}

uint32_t Engine::pstate() const { return static_cast<uint32_t>(Read(UC_ARM64_REG_PSTATE)); }
void Engine::SetPstate(uint32_t value) { Write(UC_ARM64_REG_PSTATE, value); }

std::array<std::byte, 16> Engine::V(unsigned n) const {
  std::array<std::byte, 16> value{};
  uc_reg_read(uc_, UC_ARM64_REG_V0 + static_cast<int>(n), value.data());
  return value;
}
void Engine::SetV(unsigned n, const std::array<std::byte, 16>& value) {
  uc_reg_write(uc_, UC_ARM64_REG_V0 + static_cast<int>(n), value.data());
}

uint32_t Engine::fpcr() const { return static_cast<uint32_t>(Read(UC_ARM64_REG_FPCR)); }
void Engine::SetFpcr(uint32_t value) { Write(UC_ARM64_REG_FPCR, value); }
uint32_t Engine::fpsr() const { return static_cast<uint32_t>(Read(UC_ARM64_REG_FPSR)); }
void Engine::SetFpsr(uint32_t value) { Write(UC_ARM64_REG_FPSR, value); }

uint64_t Engine::ReadSystemRegister(SystemRegister reg) const {
  uc_arm64_cp_reg cp = Encode(reg, 0);
  return uc_reg_read(uc_, UC_ARM64_REG_CP_REG, &cp) == UC_ERR_OK ? cp.val : 0;
}

void Engine::WriteSystemRegister(SystemRegister reg, uint64_t value) {
  uc_arm64_cp_reg cp = Encode(reg, value);
  uc_reg_write(uc_, UC_ARM64_REG_CP_REG, &cp);
}

}  // namespace firn::software
