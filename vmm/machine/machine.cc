// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/machine.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "arch-aarch64/controller_choice.h"
#include "arch-aarch64/memory_layout.h"
#include "arch-aarch64/vcpu_position.h"
#include "arch-aarch64/vcpu_setup.h"
#include "boot/boot.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"
#include "vmm/machine/device_plan.h"

namespace firn {
namespace {

// A vCPU that executes is out at once; one that waits for something outside firn may never be.
constexpr absl::Duration kPauseLimit = absl::Seconds(5);

int IpaBits(const Hypervisor& hypervisor) {
  const int most = hypervisor.CheckExtension(kvm::kCapArmVmIpaSize);
  return most == 0 ? kDefaultIpaBits : std::min(most, kDefaultIpaBits);
}

absl::Status CheckVcpuCount(uint64_t count, const Hypervisor& hypervisor) {
  const int most = hypervisor.CheckExtension(kvm::kCapMaxVcpus);
  if (most <= 0 || count <= static_cast<uint64_t>(most)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(count, " vCPUs: the ", hypervisor.name(), " hypervisor runs 1 to ", most));
}

}  // namespace

Machine::Machine(const MachineHost& host, std::function<void(const MachineEnd&)> on_end)
    : host_(host),
      on_end_(std::move(on_end)),
      serial_console_(host.output, /*offer_waits=*/true, [this] { OnHalt(); }),
      virtio_console_(host.output, host.hypervisor.is_deterministic(), [this] { OnHalt(); }) {}

Machine::~Machine() { Stop(); }

absl::StatusOr<MemoryLayout> Machine::LayoutOf(const VmConfig& config,
                                               const Hypervisor& hypervisor) {
  absl::Status status = CheckVcpuCount(config.machine.vcpu_count, hypervisor);
  if (!status.ok()) return status;
  return MemoryLayout::Create(config.machine.memory_bytes, IpaBits(hypervisor));
}

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(
    const VmConfig& config, const MachineHost& host,
    std::function<void(const MachineEnd&)> on_end) {
  const absl::StatusOr<MemoryLayout> layout = LayoutOf(config, host.hypervisor);
  if (!layout.ok()) return layout.status();
  const absl::StatusOr<DevicePlan> plan = PlanDevices(config);
  if (!plan.ok()) return plan.status();

  std::unique_ptr<Machine> machine(new Machine(host, std::move(on_end)));
  absl::Status status = machine->CreateVm(config, *plan, *layout, /*snapshot=*/nullptr);
  if (status.ok()) status = machine->CreateDevices(config, *plan, /*snapshot=*/nullptr);
  if (status.ok()) host.timeline.Mark("machine created");
  if (status.ok()) status = machine->LoadKernel(config, *plan, *layout);
  if (status.ok()) host.timeline.Mark("kernel loaded");
  if (status.ok()) status = machine->StartThreads();
  if (!status.ok()) return status;
  return machine;
}

absl::Status Machine::CreateVm(const VmConfig& config, const DevicePlan& plan,
                               const MemoryLayout& layout, const Snapshot* snapshot) {
  config_ = config;
  absl::StatusOr<std::unique_ptr<GuestMemory>> memory = GuestMemory::Create(layout.ram());
  if (!memory.ok()) return Annotate(memory.status(), "guest memory");
  memory_ = *std::move(memory);
  if (config.machine.track_dirty_pages) {
    memory_->StartDirtyTracking();
    dirty_pages_ = PageSet(memory_->size() / kGuestPageSize);
  }

  absl::StatusOr<std::unique_ptr<Vm>> vm = host_.hypervisor.CreateVm(IpaBits(host_.hypervisor));
  if (!vm.ok()) return vm.status();
  vm_ = *std::move(vm);
  absl::Status status = MapGuestMemory(
      *vm_, *memory_, config.machine.track_dirty_pages ? uint32_t{kvm::kMemLogDirtyPages} : 0);
  if (status.ok()) status = CreateSharedPages();
  if (!status.ok()) return status;

  InterruptControllerConfig interrupts = {.spis = plan.spis, .vcpu_ids = {}};
  for (uint32_t id = 0; id < config.machine.vcpu_count; ++id) interrupts.vcpu_ids.push_back(id);
  absl::StatusOr<ChosenController> gic = CreateInterruptController(
      host_.hypervisor, *vm_, IpaBits(host_.hypervisor), config.gic, interrupts);
  if (!gic.ok()) return gic.status();
  interrupt_controller_ = std::move(gic->controller);
  controller_reason_ = std::move(gic->reason);

  std::vector<Vcpu*> vcpus;
  for (const uint32_t id : interrupts.vcpu_ids) {
    absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_->CreateVcpu(id);
    if (!vcpu.ok()) return Annotate(vcpu.status(), absl::StrCat("vCPU ", id));
    vcpus.push_back(vcpu->get());
    vcpus_.push_back(*std::move(vcpu));
  }
  status = ChooseFeatures(snapshot);
  if (status.ok()) status = InitVcpus(*vm_, vcpus, features_);
  if (status.ok()) status = interrupt_controller_->Init();
  if (status.ok() && features_.pmu) status = InitPmu(vcpus, *interrupt_controller_);
  return status;
}

absl::Status Machine::CreateSharedPages() {
  absl::StatusOr<std::unique_ptr<GuestMemory>> pages = GuestMemory::Create({kSharedPagesRegion});
  if (!pages.ok()) return Annotate(pages.status(), "pages shared with devices");
  shared_pages_ = *std::move(pages);
  return MapGuestMemory(*vm_, *shared_pages_, kvm::kMemReadonly,
                        static_cast<uint32_t>(memory_->regions().size()));
}

absl::Status Machine::CreateDevices(const VmConfig& config, const DevicePlan& plan,
                                    const Snapshot* snapshot) {
  const absl::StatusOr<uint64_t> counter = GetRegisterU64(*vcpus_[0], kvm::kTimerCnt);
  if (!counter.ok()) return Annotate(counter.status(), "reading the guest's time");
  const DeviceEnvironment environment = {.memory = *memory_,
                                         .shared_pages = *shared_pages_,
                                         .vm = *vm_,
                                         .loop = host_.loop,
                                         .entropy = host_.entropy,
                                         .is_deterministic = host_.hypervisor.is_deterministic(),
                                         .counter = *counter,
                                         .serial_output = serial_console_,
                                         .console_output = virtio_console_,
                                         .console_room = host_.output_room,
                                         .on_console_room = [this] { OnConsoleRoom(); },
                                         .on_panic = [this] { OnHalt(); }};
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices =
      snapshot == nullptr ? MachineDevices::Create(config, plan, environment)
                          : MachineDevices::Restore(config, plan, environment, snapshot->state());
  if (!devices.ok()) return devices.status();
  devices_ = *std::move(devices);
  const bool settles = host_.hypervisor.is_deterministic();
  if (settles) {
    vm_->SetSettleCallback([this] {
      if (!memory_lost_) host_.loop.Settle();
    });
  }
  return host_.loop.SetRunDispatchesDevices(!settles);
}

absl::Status Machine::LoadKernel(const VmConfig& config, const DevicePlan& plan,
                                 const MemoryLayout& layout) {
  absl::StatusOr<FdtConfig> fdt = DescribeMachine(config, plan);
  if (!fdt.ok()) return fdt.status();
  fdt->has_pmu = features_.pmu;
  fdt->rng_seed.emplace();
  host_.entropy.Fill(absl::MakeSpan(*fdt->rng_seed));
  fdt->kaslr_seed = Draw<uint64_t>(host_.entropy);
  const absl::StatusOr<BootImages> images =
      LoadGuest({.kernel_path = config.boot_source.kernel_image_path,
                 .initrd_path = config.boot_source.initrd_path,
                 .fdt = *std::move(fdt)},
                layout, interrupt_controller_->fdt(), *memory_);
  if (!images.ok()) return images.status();
  return SetBootRegisters(*vcpus_[0], images->kernel.entry, images->fdt.base());
}

absl::Status Machine::StartThreads() {
  for (const std::unique_ptr<Vcpu>& vcpu : vcpus_) {
    absl::StatusOr<std::unique_ptr<VcpuThread>> thread = VcpuThread::Start(*vcpu, *this);
    if (!thread.ok()) return thread.status();
    threads_.push_back(*std::move(thread));
  }
  return absl::OkStatus();
}

absl::Status Machine::Pause() {
  if (is_paused_) return absl::OkStatus();
  for (const auto& thread : threads_) thread->RequestPause();
  const absl::Time deadline = absl::Now() + kPauseLimit;
  for (size_t i = 0; i < threads_.size(); ++i) {
    if (threads_[i]->WaitUntilPaused(deadline)) continue;
    for (const auto& thread : threads_) thread->Resume();
    return absl::DeadlineExceededError(absl::StrCat(
        "vCPU ", i, " did not leave the guest within ", absl::FormatDuration(kPauseLimit),
        ": it may wait for a reader of the console, or for memory"));
  }
  const absl::StatusOr<GuestCounters> counters = ReadGuestCounters(*vcpus_[0]);
  if (!counters.ok()) {
    for (const auto& thread : threads_) thread->Resume();
    return counters.status();
  }
  paused_counters_ = *counters;
  // Who is told that the guest stands still may copy its disks: nothing is written to them any
  // more.
  if (!memory_lost_) host_.loop.Settle();
  is_paused_ = true;
  return absl::OkStatus();
}

absl::Status Machine::Resume() {
  absl::Status status;
  if (is_paused_) {
    // The guest must not see how long it stood still: its watchdogs would bark.
    status = SetGuestCounters(*vcpus_[0], paused_counters_);
    status.Update(devices_->OnResume(paused_counters_.virtual_count));
  }
  is_paused_ = false;
  limit_told_ = false;
  OnConsoleRoom();  // there may have been some meanwhile
  for (const auto& thread : threads_) thread->Resume();
  return status;
}

void Machine::OnConsoleRoom() {
  // Memory of a guest that stands still does not change; Resume looks again.
  if (!is_paused_ && !memory_lost_) devices_->OnConsoleRoom();
}

void Machine::FinishConsole() {
  if (memory_lost_ || host_.hypervisor.is_deterministic()) return;
  virtio_console_.MakeOfferWait();
  devices_->OnConsoleRoom();
  host_.loop.Settle();  // where that was more than it serves at once
}

void Machine::RequestStop() {
  if (restored_memory_ != nullptr) restored_memory_->OnStopRequested();
  for (const auto& thread : threads_) thread->RequestStop();
}

void Machine::Stop() {
  RequestStop();
  for (const auto& thread : threads_) thread->Join();
  if (restored_memory_ != nullptr) restored_memory_->OnStopped();
}

std::string Machine::interrupt_controller() const {
  std::string description = interrupt_controller_->description();
  if (!controller_reason_.empty()) absl::StrAppend(&description, " (", controller_reason_, ")");
  return description;
}

MachineStats Machine::stats() const {
  MachineStats stats;
  for (size_t i = 0; i < vcpus_.size(); ++i) {
    stats.vcpus.push_back(
        {vcpus_[i]->stats(), threads_[i]->exit_counts(), ReadPosition(*vcpus_[i])});
  }
  devices_->CollectStats(stats);
  stats.guest_memory_bytes = memory_->size();
  stats.guest_memory_resident_bytes = ResidentBytes(*memory_).value_or(0);
  if (restored_memory_ != nullptr) stats.restore = restored_memory_->stats();
  return stats;
}

void Machine::OnVcpuStart(uint32_t vcpu) {
  if (vcpu == 0) host_.timeline.Mark("first guest instruction");
}

void Machine::OnInstructionLimit(uint32_t) {
  if (!limit_told_.exchange(true)) on_end_({MachineEnd::Kind::kInstructionLimit, ""});
}

void Machine::OnMmio(uint32_t, const MmioExit& exit) {
  if (memory_lost_) return;
  if (exit.is_write) {
    devices_->bus().Write(exit.address, exit.data);
  } else {
    devices_->bus().Read(exit.address, exit.data);
  }
}

void Machine::OnHalt() {
  if (halted_.exchange(true)) return;
  for (const std::unique_ptr<Vcpu>& vcpu : vcpus_) vcpu->Kick();
}

std::string Machine::PanicReason() const {
  std::string reason = serial_console_.panic_reason();
  return reason.empty() ? virtio_console_.panic_reason() : reason;
}

MachineEnd Machine::EndOf(uint32_t vcpu, const absl::StatusOr<Exit>& why) const {
  using Kind = MachineEnd::Kind;
  if (!why.ok()) {
    const absl::Status status =
        restored_memory_ == nullptr ? why.status() : restored_memory_->Explain(why.status());
    return {Kind::kHostError, absl::StrCat("vCPU ", vcpu, ": ", status.message())};
  }
  const std::string panic = PanicReason();
  if (halted_ || devices_->panicked()) {
    return {Kind::kPanic, panic.empty() ? "pvpanic: the guest reports a panic" : panic};
  }
  if (const auto* event = std::get_if<SystemEventExit>(&*why)) {
    switch (event->type) {
      case kvm::kSystemEventShutdown:
        return panic.empty() ? MachineEnd{Kind::kPowerOff, ""} : MachineEnd{Kind::kPanic, panic};
      case kvm::kSystemEventReset:
        return panic.empty() ? MachineEnd{Kind::kReboot, ""} : MachineEnd{Kind::kPanic, panic};
      case kvm::kSystemEventCrash:
        return {Kind::kPanic, "the hypervisor reports a crash of the guest"};
      default:
        return {Kind::kCrash, absl::StrCat("the guest asked for system event ", event->type,
                                           ", which firn does not have")};
    }
  }
  if (const auto* failure = std::get_if<FailureExit>(&*why)) {
    return {Kind::kCrash, absl::StrCat("vCPU ", vcpu, " cannot go on (",
                                       ExitReasonName(failure->reason), "): ", failure->detail)};
  }
  const auto* unknown = std::get_if<UnknownExit>(&*why);
  const uint32_t reason = unknown != nullptr ? unknown->reason : 0;
  return {Kind::kHostError, absl::StrCat("vCPU ", vcpu, ": ", ExitReasonName(reason), " (", reason,
                                         "), which firn does not handle")};
}

void Machine::OnVcpuStopped(uint32_t vcpu, absl::StatusOr<Exit> why) {
  if (!ended_.exchange(true)) on_end_(EndOf(vcpu, why));
}

}  // namespace firn
