// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/testing/guest_fixture.h"

#include <cstring>
#include <thread>
#include <utility>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

// Far above what any program needs, also under a sanitizer on a busy machine.
constexpr absl::Duration kTimeLimit = absl::Seconds(100);
constexpr uint64_t kStackSize = 0x1000;
constexpr uint64_t kEl1hMasked = 0x3c5;

}  // namespace

bool GuestOutcome::powered_off() const {
  if (!exit.ok()) return false;
  const auto* event = std::get_if<SystemEventExit>(&*exit);
  return event != nullptr && event->type == kvm::kSystemEventShutdown;
}

uint64_t MmioValue(const MmioExit& exit) {
  uint64_t value = 0;
  memcpy(&value, exit.data.data(), exit.data.size());
  return value;
}

void SetMmioValue(MmioExit& exit, uint64_t value) {
  memcpy(exit.data.data(), &value, exit.data.size());
}

Guest::Guest(std::string_view program, const GuestOptions& options)
    : program_(GuestProgram::Load(
          absl::StrCat("hypervisor/software/testing/guests/", program, ".elf"))) {
  Hypervisor* hypervisor = options.hypervisor;
  if (hypervisor == nullptr) {
    absl::StatusOr<std::unique_ptr<Hypervisor>> own = CreateSoftwareHypervisor(options.software);
    CHECK_OK(own);
    own_hypervisor_ = *std::move(own);
    hypervisor = own_hypervisor_.get();
  }
  vm_ = *hypervisor->CreateVm(40);
  memory_ = *GuestMemory::Create({*GuestRange::Create(kMemory, options.memory_size)});
  CHECK_OK(memory_->Write(program_.base, program_.image));
  CHECK_OK(MapGuestMemory(*vm_, *memory_, options.memory_flags));
  if (options.has_gic) gic_ = *vm_->CreateDevice(kvm::kDevTypeArmVgicV5);
  for (uint32_t id : options.vcpu_ids) vcpus_.push_back(*vm_->CreateVcpu(id));
  for (unsigned n = 0; n < vcpus_.size(); ++n) {
    kvm::VcpuInit init = *vm_->PreferredTarget();
    init.features[0] = 1u << kvm::kArmVcpuPsci02 | (n > 0 ? 1u << kvm::kArmVcpuPowerOff : 0);
    CHECK_OK(vcpus_[n]->Init(init));
  }
  if (gic_ != nullptr) {
    CHECK_OK(SetAttrU64(*gic_, kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs, kIrs.value));
    CHECK_OK(gic_->SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, 0));
  }
}

Guest::~Guest() { vcpus_.clear(); }

uint64_t Guest::Symbol(std::string_view name) const {
  const auto found = program_.symbols.find(name);
  CHECK(found != program_.symbols.end()) << name;
  return found->second;
}

uint64_t Guest::Get(unsigned vcpu, uint64_t register_id) {
  absl::StatusOr<uint64_t> value = GetRegisterU64(*vcpus_[vcpu], register_id);
  CHECK_OK(value);
  return *value;
}

void Guest::Set(unsigned vcpu, uint64_t register_id, uint64_t value) {
  CHECK_OK(SetRegisterU64(*vcpus_[vcpu], register_id, value));
}

void Guest::Start(unsigned vcpu, std::string_view label) {
  CHECK_OK(vcpus_[vcpu]->SetMpState(kvm::kMpStateRunnable));
  Set(vcpu, kvm::kCorePstate, kEl1hMasked);
  Set(vcpu, kvm::kCorePc, Symbol(label));
  Set(vcpu, kvm::kCoreSpEl1, kMemory.value + memory_->size() - vcpu * kStackSize);
  Set(vcpu, kvm::SysregId(reg::kVbarEl1), Symbol("vectors"));
  Set(vcpu, kvm::CoreX(27), Symbol("no_hook"));
  Set(vcpu, kvm::CoreX(28), kReport.value);
  Set(vcpu, kvm::CoreX(29), kIrs.value);
}

void Guest::OnMmio(GuestAddress address, MmioHandler handler) {
  handlers_[address.value] = std::move(handler);
}

GuestOutcome Guest::Run() {
  {
    absl::MutexLock lock(&mutex_);
    outcome_.reset();
  }
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < vcpus_.size(); ++n) {
    threads.emplace_back([this, n] { RunVcpu(n); });
  }
  {
    absl::MutexLock lock(&mutex_);
    const auto is_done = [this]()
                             ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return outcome_.has_value(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&is_done), kTimeLimit)) {
      outcome_ = GuestOutcome{.exit = absl::DeadlineExceededError("the guest hangs")};
    }
  }
  for (const auto& vcpu : vcpus_) vcpu->Kick();
  for (std::thread& thread : threads) thread.join();
  absl::MutexLock lock(&mutex_);
  return *std::exchange(outcome_, std::nullopt);
}

void Guest::RunVcpu(unsigned index) {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (outcome_) break;
    }
    absl::StatusOr<Exit> exit = vcpus_[index]->Run();
    if (!exit.ok()) return Finish(index, std::move(exit));
    if (std::holds_alternative<KickedExit>(*exit)) continue;
    auto* mmio = std::get_if<MmioExit>(&*exit);
    if (mmio == nullptr || !HandleMmio(index, *mmio)) return Finish(index, std::move(exit));
  }
}

bool Guest::HandleMmio(unsigned vcpu, MmioExit& exit) {
  if (const auto found = handlers_.find(exit.address.value); found != handlers_.end()) {
    found->second(vcpu, exit);
    return true;
  }
  absl::MutexLock lock(&mutex_);
  if (exit.address == kReport && exit.is_write && exit.data.size() == 8) {
    reports_.push_back(MmioValue(exit));
    return true;
  }
  if (exit.address == kConsole && exit.is_write && exit.data.size() == 1) {
    console_.push_back(static_cast<char>(exit.data[0]));
    return true;
  }
  return false;
}

void Guest::Finish(unsigned vcpu, absl::StatusOr<Exit> exit) {
  absl::MutexLock lock(&mutex_);
  if (!outcome_) outcome_ = GuestOutcome{.vcpu = vcpu, .exit = std::move(exit)};
}

std::vector<uint64_t> Guest::reports() const {
  absl::MutexLock lock(&mutex_);
  return reports_;
}

std::string Guest::console() const {
  absl::MutexLock lock(&mutex_);
  return console_;
}

}  // namespace firn::software
