// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/machine.h"

#include <algorithm>
#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

constexpr uint32_t kMaxVcpus = 8;

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const SoftwareOptions& options,
                                                         const EngineLayout& layout, int ipa_bits) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(layout);
  if (!engine.ok()) return engine.status();
  absl::StatusOr<std::unique_ptr<MemoryMap>> memory = MemoryMap::Create(ipa_bits, engine->get());
  if (!memory.ok()) return memory.status();
  absl::StatusOr<IrqFds> irq_fds = IrqFds::Create();
  if (!irq_fds.ok()) return irq_fds.status();
  return std::unique_ptr<Machine>(
      new Machine(options, ipa_bits, *std::move(engine), *std::move(memory), *std::move(irq_fds)));
}

Machine::Machine(const SoftwareOptions& options, int ipa_bits, std::unique_ptr<Engine> engine,
                 std::unique_ptr<MemoryMap> memory, IrqFds irq_fds)
    : options_(options),
      ipa_bits_(ipa_bits),
      clock_(options.clock == SoftwareOptions::Clock::kReal),
      engine_(std::move(engine)),
      memory_(std::move(memory)),
      irq_fds_(std::move(irq_fds)),
      instruction_limit_(options.stop_at) {}

Machine::~Machine() = default;

Machine::Lock::Lock(Machine* machine) : machine_(machine) {
  machine_->waiters_.fetch_add(1);
  machine_->attention_.store(true);
  if (machine_->idle_.load()) machine_->irq_fds_.Wake();
  machine_->mutex_.Lock();
  machine_->waiters_.fetch_sub(1);
}

Machine::Lock::~Lock() { machine_->mutex_.Unlock(); }

absl::Status Machine::CheckAlive(std::string_view call) const {
  return dead_ ? ErrnoStatus(EIO, call) : absl::OkStatus();
}

absl::StatusOr<Cpu*> Machine::AddCpu(uint32_t id) {
  if (vcpus_.size() >= kMaxVcpus) return ErrnoStatus(EINVAL, "KVM_CREATE_VCPU");
  for (const auto& vcpu : vcpus_) {
    if (vcpu->cpu->id() == id) return ErrnoStatus(EEXIST, "KVM_CREATE_VCPU");
  }
  const uint32_t index = static_cast<uint32_t>(vcpus_.size());
  if (gic_ != nullptr) {
    if (absl::Status status = gic_->AddVcpu(index, id); !status.ok()) return status;
  }
  auto vcpu = std::make_unique<Vcpu>();
  absl::StatusOr<std::unique_ptr<Cpu>> cpu = Cpu::Create(index, id,
                                                         {.engine = engine_.get(),
                                                          .clock = &clock_,
                                                          .memory = memory_.get(),
                                                          .code_pages = &code_pages_,
                                                          .bus = this});
  if (!cpu.ok()) return cpu.status();
  vcpu->cpu = *std::move(cpu);
  vcpus_.push_back(std::move(vcpu));
  return vcpus_.back()->cpu.get();
}

absl::StatusOr<gicv5::Vgicv5*> Machine::CreateGic() {
  if (gic_ != nullptr) return ErrnoStatus(EEXIST, "KVM_CREATE_DEVICE(ARM_VGIC_V5)");
  if (AnyVcpuHasRun() || AnyVcpuRunning()) {
    return ErrnoStatus(EBUSY, "KVM_CREATE_DEVICE(ARM_VGIC_V5)");
  }
  std::unique_ptr<gicv5::Vgicv5> gic = gicv5::Vgicv5::Create({.dialect = options_.dialect}, this);
  for (const auto& vcpu : vcpus_) {
    absl::Status status = gic->AddVcpu(vcpu->cpu->index(), vcpu->cpu->id());
    if (!status.ok()) return ErrnoStatus(E2BIG, "KVM_CREATE_DEVICE(ARM_VGIC_V5)");
  }
  gic->SetDeactivateObserver([this](uint32_t spi) { OnSpiDeactivated(spi); });
  gic_ = std::move(gic);
  return gic_.get();
}

// ---- CpuBus

bool Machine::SignalIoEventFd(GuestAddress address, uint32_t size, uint64_t value) {
  return io_event_fds_.Signal(address, size, value);
}

// ---- PsciMachine

Cpu* Machine::FindCpu(uint64_t mpidr) {
  for (const auto& vcpu : vcpus_) {
    if (MpidrAffinity(vcpu->cpu->id()) == mpidr) return vcpu->cpu.get();
  }
  return nullptr;
}

std::optional<PsciMachine::Power> Machine::PowerOf(uint64_t mpidr) {
  const Cpu* cpu = FindCpu(mpidr);
  if (cpu == nullptr) return std::nullopt;
  return cpu->power() == Cpu::Power::kOff ? Power::kOff : Power::kOn;
}

void Machine::PowerOn(uint64_t mpidr, uint64_t entry, uint64_t context) {
  FindCpu(mpidr)->PowerOn(entry, context);
}

std::optional<bool> Machine::AnyOn(uint64_t mpidr, unsigned level) {
  const uint64_t mask = level >= 3 ? 0xff'0000'0000 : ~((uint64_t{1} << 8 * level) - 1);
  std::optional<bool> on;
  for (const auto& vcpu : vcpus_) {
    if (((MpidrAffinity(vcpu->cpu->id()) ^ mpidr) & mask) != 0) continue;
    on = on.value_or(false) || vcpu->cpu->power() != Cpu::Power::kOff;
  }
  return on;
}

// ---- gicv5::Machine

bool Machine::AnyVcpuRunning() const {
  return std::any_of(vcpus_.begin(), vcpus_.end(), [](const auto& v) { return v->in_run; });
}

bool Machine::AnyVcpuHasRun() const {
  return std::any_of(vcpus_.begin(), vcpus_.end(), [](const auto& v) { return v->has_run; });
}

// ---- Interrupts from outside

void Machine::PollIrqFds() {
  irq_fds_.Poll([this](uint32_t gsi, bool resample) { RaiseGsi(gsi, resample); });
}

void Machine::RaiseGsi(uint32_t gsi, bool resample) {
  if (gic_ == nullptr) return;
  const auto raise = [&](uint32_t pin) {
    // A pin that is no SPI raises nothing, as in KVM.
    gic_->SpiLine(pin, true).IgnoreError();
    if (!resample) gic_->SpiLine(pin, false).IgnoreError();
  };
  if (routes_.empty()) {
    raise(gsi);
    return;
  }
  for (const GsiRoute& route : routes_) {
    if (route.gsi == gsi) raise(route.pin);
  }
}

void Machine::OnSpiDeactivated(uint32_t spi) {
  const auto resample = [&](uint32_t gsi) {
    if (irq_fds_.Resample(gsi)) gic_->SpiLine(spi, false).IgnoreError();
  };
  if (routes_.empty()) {
    resample(spi);
    return;
  }
  for (const GsiRoute& route : routes_) {
    if (route.pin == spi) resample(route.gsi);
  }
}

}  // namespace firn::software
