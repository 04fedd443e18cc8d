// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/engine_cpu.h"

#include <cstring>
#include <optional>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/unicorn_abort.h"

namespace firn::software {
namespace {

int XRegister(unsigned n) {
  if (n <= 28) return UC_ARM64_REG_X0 + static_cast<int>(n);
  return n == 29 ? UC_ARM64_REG_X29 : UC_ARM64_REG_X30;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineCpu>> EngineCpu::Create(Engine* engine, EngineClient* client) {
  absl::StatusOr<Context> context = engine->NewContext();
  if (!context.ok()) return context.status();
  std::unique_ptr<EngineCpu> cpu(new EngineCpu(engine, client, *std::move(context)));
  cpu->Reset();
  return cpu;
}

EngineCpu::~EngineCpu() {
  if (is_loaded()) engine_->loaded_ = nullptr;
}

void EngineCpu::Reset() {
  if (is_loaded()) {
    CHECK(!engine_->executes_);
    block_count_ = engine_->block_count_;
    engine_->loaded_ = nullptr;
  }
  // What Unicorn asks to be allocated for a context is all there is of it.
  memcpy(InContext(0), engine_->reset_state_.get(), uc_context_size(engine_->uc_));
}

void EngineCpu::SetEntry(uint64_t pc, uint64_t x0) {
  CHECK(!is_loaded());
  CHECK_EQ(uc_context_reg_write(context_.get(), UC_ARM64_REG_PC, &pc), UC_ERR_OK);
  CHECK_EQ(uc_context_reg_write(context_.get(), UC_ARM64_REG_X0, &x0), UC_ERR_OK);
}

absl::Status EngineCpu::Run(bool* stopped) {
  CHECK(client_ != nullptr);
  Load();
  *stopped = false;
  engine_->stop_requested_ = false;
  const absl::StatusOr<bool> gave_up = Execute();
  if (!gave_up.ok()) return gave_up.status();
  if (*gave_up) {
    if (absl::Status status = RunInSteps(); !status.ok()) return status;
  }
  *stopped = stop_requested();
  return absl::OkStatus();
}

absl::StatusOr<bool> EngineCpu::Execute() {
  if (engine_->gave_up_) return absl::InternalError("Unicorn gave up before");
  uc_err error = UC_ERR_OK;
  engine_->executes_ = true;
  const std::optional<UnicornAbort> abort = CatchUnicornAbort(
      [&error, uc = engine_->uc_, from = pc()] { error = uc_emu_start(uc, from, 0, 0, 0); });
  engine_->executes_ = false;
  if (abort) {
    if (abort->translating) return true;
    engine_->gave_up_ = true;
    return absl::InternalError(absl::StrCat("Unicorn gave up: ", abort->what));
  }
  if (error != UC_ERR_OK) {
    return UnicornStatus(error, absl::StrCat("emu_start, now at pc 0x", absl::Hex(pc())));
  }
  return false;
}

// Unicorn translates a block as a whole. Stopped after each of its instructions, it gives up with
// the one at the PC that it cannot translate.
absl::Status EngineCpu::RunInSteps() {
  if (absl::Status status = engine_->Reopen(); !status.ok()) return status;
  while (true) {
    const uint64_t from = pc();
    engine_->SetStep(from);
    const absl::StatusOr<bool> gave_up = Execute();
    if (!gave_up.ok()) return gave_up.status();
    if (*gave_up) {
      if (absl::Status status = engine_->Reopen(); !status.ok()) return status;
      if (pc() != from) continue;  // in another block
      TakeUndefined();
      engine_->stop_requested_ = true;
      return absl::OkStatus();
    }
    if (stop_requested() || pc() != from + 4) break;
  }
  engine_->SetStep(std::nullopt);
  engine_->DropAllCode();  // it stops there
  return absl::OkStatus();
}

void EngineCpu::TakeUndefined() {
  constexpr uint32_t kUnknown = 1u << 25;  // ESR_ELx: EC 0, IL
  constexpr uint32_t kTargetEl = 1;
  engine_->SaveContext(context_);
  std::byte* record = InContext(engine_->layout_.exception_offset);
  memcpy(record, &kUnknown, sizeof(kUnknown));
  memcpy(record + 16, &kTargetEl, sizeof(kTargetEl));
  engine_->RestoreContext(context_);
  // None of a block that was counted is left.
  engine_->block_count_.end = engine_->block_count_.start;
  engine_->executes_ = true;
  client_->OnException(Exception::kUndefined);
  engine_->executes_ = false;
}

void EngineCpu::Stop() {
  CHECK(is_loaded() && engine_->executes_);
  engine_->stop_requested_ = true;
  uc_emu_stop(engine_->uc_);
}

void EngineCpu::ClearExclusiveMonitor() {
  if (is_loaded()) engine_->SaveContext(context_);
  // All ones: nothing is marked.
  memset(InContext(engine_->layout_.monitor_offset), 0xff, sizeof(uint64_t));
  if (is_loaded()) engine_->RestoreContext(context_);
}

ExceptionRecord EngineCpu::exception() const {
  CHECK(is_loaded());
  engine_->SaveContext(context_);
  const std::byte* record = InContext(engine_->layout_.exception_offset);
  ExceptionRecord exception;
  memcpy(&exception.syndrome, record, sizeof(exception.syndrome));
  memcpy(&exception.address, record + 8, sizeof(exception.address));
  memcpy(&exception.target_el, record + 16, sizeof(exception.target_el));
  return exception;
}

uint64_t EngineCpu::Read(int reg) const {
  uint64_t value = 0;
  uc_reg_read(Load().uc_, reg, &value);
  return value;
}

void EngineCpu::Write(int reg, uint64_t value) { uc_reg_write(Load().uc_, reg, &value); }

uint64_t EngineCpu::X(unsigned n) const { return n > 30 ? 0 : Read(XRegister(n)); }

void EngineCpu::SetX(unsigned n, uint64_t value) {
  if (n <= 30) Write(XRegister(n), value);
}

uint32_t EngineCpu::pstate() const { return static_cast<uint32_t>(Read(UC_ARM64_REG_PSTATE)); }
void EngineCpu::SetPstate(uint32_t value) { Write(UC_ARM64_REG_PSTATE, value); }

std::array<std::byte, 16> EngineCpu::V(unsigned n) const {
  std::array<std::byte, 16> value{};
  uc_reg_read(Load().uc_, UC_ARM64_REG_V0 + static_cast<int>(n), value.data());
  return value;
}
void EngineCpu::SetV(unsigned n, const std::array<std::byte, 16>& value) {
  uc_reg_write(Load().uc_, UC_ARM64_REG_V0 + static_cast<int>(n), value.data());
}

uint32_t EngineCpu::fpcr() const { return static_cast<uint32_t>(Read(UC_ARM64_REG_FPCR)); }
void EngineCpu::SetFpcr(uint32_t value) { Write(UC_ARM64_REG_FPCR, value); }
uint32_t EngineCpu::fpsr() const { return static_cast<uint32_t>(Read(UC_ARM64_REG_FPSR)); }
void EngineCpu::SetFpsr(uint32_t value) { Write(UC_ARM64_REG_FPSR, value); }

}  // namespace firn::software
