// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/machine_devices.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "devices/virtio/blk/block_device.h"
#include "devices/virtio/blk/disk_file.h"
#include "devices/virtio/rng/rng_device.h"
#include "hypervisor/errno_status.h"
#include "migration/section.h"
#include "vmm/machine/guest_wall_clock.h"

namespace firn {
namespace {

using Kind = PlannedDevice::Kind;

// A drive's id may be longer than the name of a section.
std::string SectionName(const PlannedDevice& device) {
  if (device.kind == Kind::kBlock) return absl::StrCat("device/blk.", device.drive);
  return absl::StrCat("device/", device.name);
}

// A device that the snapshot has and this machine has not would be lost without a word.
absl::Status CheckDeviceSections(const StateFile& state, const DevicePlan& plan) {
  for (const StateSection& section : state.sections) {
    if (!section.mandatory || !absl::StartsWith(section.name, "device/")) continue;
    const bool is_planned = std::any_of(
        plan.devices.begin(), plan.devices.end(),
        [&](const PlannedDevice& device) { return SectionName(device) == section.name; });
    if (!is_planned) {
      return absl::FailedPreconditionError(
          absl::StrCat("the snapshot has a ", section.name, ", which this machine does not have"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

MachineDevices::MachineDevices(const VmConfig& config, const DeviceEnvironment& environment,
                               const StateFile* state, EventFd acknowledgements)
    : environment_(environment),
      state_(state),
      input_device_(config.console.device),
      wall_clock_(MakeWallClock(environment.vm, environment.is_deterministic)),
      rng_source_(environment.entropy),
      acknowledgements_(std::move(acknowledgements)) {}

absl::StatusOr<std::unique_ptr<MachineDevices>> MachineDevices::Create(
    const VmConfig& config, const DevicePlan& plan, const DeviceEnvironment& environment) {
  return Make(config, plan, environment, nullptr);
}

absl::StatusOr<std::unique_ptr<MachineDevices>> MachineDevices::Restore(
    const VmConfig& config, const DevicePlan& plan, const DeviceEnvironment& environment,
    const StateFile& state) {
  return Make(config, plan, environment, &state);
}

absl::StatusOr<std::unique_ptr<MachineDevices>> MachineDevices::Make(
    const VmConfig& config, const DevicePlan& plan, const DeviceEnvironment& environment,
    const StateFile* state) {
  if (state != nullptr) {
    if (absl::Status status = CheckDeviceSections(*state, plan); !status.ok()) return status;
  }
  absl::StatusOr<EventFd> acknowledgements = EventFd::Create();
  if (!acknowledgements.ok()) return Annotate(acknowledgements.status(), "devices");
  std::unique_ptr<MachineDevices> devices(
      new MachineDevices(config, environment, state, *std::move(acknowledgements)));
  for (const PlannedDevice& planned : plan.devices) {
    absl::Status status = devices->Add(config, planned);
    if (!status.ok()) return status;
  }
  if (absl::Status status = devices->WatchConsoleRoom(); !status.ok()) return status;
  return devices;
}

MachineDevices::~MachineDevices() {
  for (const int fd : events_) environment_.loop.RemoveDevice(fd);
}

// As a device's event: those are served while a save runs beside.
absl::Status MachineDevices::WatchConsoleRoom() {
  const EventFd* const room = environment_.console_room;
  if (room == nullptr || environment_.is_deterministic) return absl::OkStatus();
  absl::Status status = environment_.loop.AddDevice(room->fd(), [this, room] {
    room->Take();
    environment_.on_console_room();
  });
  if (status.ok()) events_.push_back(room->fd());
  return status;
}

absl::StatusOr<InterruptLine*> MachineDevices::AddInterrupt(const PlannedDevice& planned) {
  if (!planned.spi) return nullptr;
  absl::StatusOr<EventFd> event = EventFd::Create();
  if (!event.ok()) return Annotate(event.status(), planned.name);
  auto line = std::make_unique<EventFdInterruptLine>(*std::move(event));
  absl::Status status =
      environment_.vm.RegisterIrqFd({.fd = line->fd(), .gsi = *planned.spi, .resample_fd = {}});
  if (!status.ok()) return Annotate(status, planned.name);
  interrupts_.push_back({.line = std::move(line), .spi = *planned.spi});
  return interrupts_.back().line.get();
}

absl::Status MachineDevices::Add(const VmConfig& config, const PlannedDevice& planned) {
  const absl::StatusOr<InterruptLine*> interrupt = AddInterrupt(planned);
  if (!interrupt.ok()) return interrupt.status();
  switch (planned.kind) {
    case Kind::kSerial:
      return AddSerial(planned, **interrupt);
    case Kind::kRtc:
      return AddRtc(planned, *interrupt);
    case Kind::kPvpanic:
      pvpanic_ = std::make_unique<Pvpanic>([this] {
        panicked_ = true;
        environment_.on_panic();
      });
      return bus_.Add(planned.name, planned.registers, *pvpanic_);
    case Kind::kVmGenId:
      return AddVmGenId(planned, **interrupt);
    case Kind::kVmClock:
      return AddVmClock(planned, **interrupt);
    case Kind::kBlock:
    case Kind::kRng:
    case Kind::kConsole:
      break;
  }
  absl::StatusOr<std::unique_ptr<virtio::VirtioDevice>> device = MakeVirtio(config, planned);
  if (!device.ok()) return device.status();
  return AddVirtio(planned, *std::move(device), **interrupt);
}

absl::Status MachineDevices::AddSerial(const PlannedDevice& planned, InterruptLine& interrupt) {
  auto on_room = [this] { OnInputRoom(); };
  if (state_ == nullptr) {
    serial_ =
        std::make_unique<SerialDevice>(environment_.serial_output, interrupt, std::move(on_room));
  } else {
    const absl::StatusOr<state::Serial> state =
        ParseSection<state::Serial>(*state_, SectionName(planned));
    if (!state.ok()) return state.status();
    absl::StatusOr<std::unique_ptr<SerialDevice>> serial =
        SerialDevice::Restore(environment_.serial_output, interrupt, std::move(on_room), *state);
    if (!serial.ok()) return Annotate(serial.status(), planned.name);
    serial_ = *std::move(serial);
  }
  return bus_.Add(planned.name, planned.registers, *serial_);
}

absl::Status MachineDevices::AddRtc(const PlannedDevice& planned, InterruptLine* interrupt) {
  absl::StatusOr<std::unique_ptr<GuestAlarm>> alarm =
      MakeGuestAlarm(environment_.vm, environment_.is_deterministic);
  if (!alarm.ok()) return Annotate(alarm.status(), planned.name);
  alarm_ = *std::move(alarm);
  if (state_ == nullptr) {
    rtc_ = std::make_unique<RtcDevice>(*wall_clock_, interrupt, alarm_.get());
  } else {
    const absl::StatusOr<state::Rtc> state =
        ParseSection<state::Rtc>(*state_, SectionName(planned));
    if (!state.ok()) return state.status();
    absl::StatusOr<std::unique_ptr<RtcDevice>> rtc =
        RtcDevice::Restore(*wall_clock_, interrupt, alarm_.get(), *state);
    if (!rtc.ok()) return Annotate(rtc.status(), planned.name);
    rtc_ = *std::move(rtc);
  }
  absl::Status status = environment_.loop.AddDevice(alarm_->fd(), [this] {
    alarm_->Take();
    rtc_->CheckAlarm();
  });
  if (!status.ok()) return Annotate(status, planned.name);
  events_.push_back(alarm_->fd());
  return bus_.Add(planned.name, planned.registers, *rtc_);
}

absl::Status MachineDevices::AddVmGenId(const PlannedDevice& planned, InterruptLine& interrupt) {
  GuestMemory& memory = environment_.shared_pages;
  const GuestAddress address = planned.registers.base();
  absl::StatusOr<std::unique_ptr<VmGenId>> device = absl::InternalError("not made");
  if (state_ == nullptr) {
    device = VmGenId::Create(memory, address, interrupt, Draw<VmGenId::Id>(environment_.entropy));
  } else {
    const absl::StatusOr<state::VmGenId> state =
        ParseSection<state::VmGenId>(*state_, SectionName(planned));
    if (!state.ok()) return state.status();
    device = VmGenId::Restore(memory, address, interrupt, *state);
  }
  if (!device.ok()) return Annotate(device.status(), planned.name);
  vmgenid_ = *std::move(device);
  return absl::OkStatus();
}

absl::Status MachineDevices::AddVmClock(const PlannedDevice& planned, InterruptLine& interrupt) {
  GuestMemory& memory = environment_.shared_pages;
  const uint64_t frequency = environment_.vm.CounterFrequency();
  absl::StatusOr<std::unique_ptr<VmClock>> device = absl::InternalError("not made");
  if (state_ == nullptr) {
    device = VmClock::Create(memory, planned.registers, interrupt, frequency,
                             TimeAt(environment_.counter));
  } else {
    const absl::StatusOr<state::VmClock> state =
        ParseSection<state::VmClock>(*state_, SectionName(planned));
    if (!state.ok()) return state.status();
    device = VmClock::Restore(memory, planned.registers, interrupt, frequency, *state);
  }
  if (!device.ok()) return Annotate(device.status(), planned.name);
  vmclock_ = *std::move(device);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<virtio::VirtioDevice>> MachineDevices::MakeVirtio(
    const VmConfig& config, const PlannedDevice& planned) {
  if (planned.kind == Kind::kRng) return std::make_unique<virtio::RngDevice>(rng_source_);
  if (planned.kind == Kind::kConsole) {
    auto console = std::make_unique<virtio::ConsoleDevice>(environment_.console_output,
                                                           [this] { OnInputRoom(); });
    console_ = console.get();
    return console;
  }
  const DriveConfig& drive = config.drives[planned.drive];
  absl::StatusOr<Disk> disk = OpenDisk(drive.path_on_host, drive.is_read_only);
  if (!disk.ok()) return disk.status();
  return std::make_unique<virtio::BlockDevice>(*std::move(disk), drive.drive_id);
}

absl::Status MachineDevices::AddVirtio(const PlannedDevice& planned,
                                       std::unique_ptr<virtio::VirtioDevice> device,
                                       InterruptLine& interrupt) {
  const GuestAddress base = planned.registers.base();
  const absl::StatusOr<virtio::RegisterPage> page =
      virtio::RegisterPage::Create(environment_.shared_pages, base);
  if (!page.ok()) return Annotate(page.status(), planned.name);
  absl::StatusOr<std::unique_ptr<virtio::VirtioMmio>> transport = absl::InternalError("not made");
  if (state_ == nullptr) {
    transport = virtio::VirtioMmio::Create(environment_.memory, *device, interrupt, *page);
  } else {
    const absl::StatusOr<state::VirtioMmio> state =
        ParseSection<state::VirtioMmio>(*state_, SectionName(planned));
    if (!state.ok()) return state.status();
    transport = virtio::VirtioMmio::Restore(environment_.memory, *device, interrupt, *page, *state);
  }
  if (!transport.ok()) return Annotate(transport.status(), planned.name);
  for (size_t queue = 0; queue < (*transport)->queue_count(); ++queue) {
    absl::Status status = WireDoorbell(**transport, base, queue);
    if (!status.ok()) return Annotate(status, absl::StrCat(planned.name, " queue ", queue));
  }
  if (absl::Status status = WireAcknowledgement(base); !status.ok()) {
    return Annotate(status, planned.name);
  }
  virtio_.push_back({planned.name, SectionName(planned), std::move(device), *std::move(transport)});
  return bus_.Add(planned.name, planned.registers, *virtio_.back().transport);
}

absl::Status MachineDevices::WireDoorbell(virtio::VirtioMmio& transport, GuestAddress registers,
                                          size_t queue) {
  const int fd = transport.queue_event(queue).fd();
  absl::Status status = environment_.vm.RegisterIoEventFd(
      {.address = GuestAddress(registers.value + virtio::VirtioMmio::kQueueNotifyOffset),
       .length = sizeof(uint32_t),
       .fd = fd,
       .datamatch = queue});
  if (!status.ok()) return status;
  status = environment_.loop.AddDevice(fd, [&transport, queue] { transport.OnQueueEvent(queue); });
  if (status.ok()) events_.push_back(fd);
  return status;
}

absl::Status MachineDevices::WireAcknowledgement(GuestAddress registers) {
  return environment_.vm.RegisterIoEventFd(
      {.address = GuestAddress(registers.value + virtio::VirtioMmio::kInterruptAckOffset),
       .length = sizeof(uint32_t),
       .fd = acknowledgements_.fd(),
       .datamatch = virtio::VirtioMmio::kUsedBuffersAcknowledged});
}

absl::Status MachineDevices::SetIrqFds(bool wired) {
  absl::Status status;
  for (Interrupt& interrupt : interrupts_) {
    if (interrupt.is_wired == wired) continue;
    const absl::Status set = environment_.vm.RegisterIrqFd(
        {.fd = interrupt.line->fd(), .gsi = interrupt.spi, .deassign = !wired, .resample_fd = {}});
    if (set.ok()) interrupt.is_wired = wired;
    status.Update(set);
  }
  return status;
}

absl::Status MachineDevices::Freeze() {
  environment_.loop.Settle();
  // KVM raises what came through an irqfd in a work queue; taking the irqfd away waits for it.
  return Annotate(SetIrqFds(/*wired=*/false), "freezing the devices");
}

absl::Status MachineDevices::Thaw() {
  return Annotate(SetIrqFds(/*wired=*/true), "going on with the devices");
}

void MachineDevices::Save(StateFile& state) const {
  state.Add("device/serial", serial_->Save().SerializeAsString());
  state.Add("device/rtc", rtc_->Save().SerializeAsString());
  if (vmgenid_ != nullptr) state.Add("device/vmgenid", vmgenid_->Save().SerializeAsString());
  if (vmclock_ != nullptr) state.Add("device/vmclock", vmclock_->Save().SerializeAsString());
  for (const VirtioSlot& slot : virtio_) {
    state.Add(slot.section, slot.transport->Save().SerializeAsString());
  }
}

void MachineDevices::ServeQueues() {
  for (const VirtioSlot& slot : virtio_) {
    for (size_t queue = 0; queue < slot.transport->queue_count(); ++queue) {
      slot.transport->OnQueueEvent(queue);
    }
  }
}

void MachineDevices::OnConsoleRoom() {
  if (environment_.is_deterministic) return;
  for (const VirtioSlot& slot : virtio_) {
    if (slot.device.get() == console_) {
      slot.transport->OnQueueEvent(virtio::ConsoleDevice::kTransmitQueue);
    }
  }
}

absl::Status MachineDevices::OnResume(uint64_t counter) {
  // A deterministic machine's wall clock follows the counter.
  if (environment_.is_deterministic || vmclock_ == nullptr) return absl::OkStatus();
  return vmclock_->Disrupt(TimeAt(counter));
}

absl::Status MachineDevices::RenewIdentity(uint64_t counter) {
  if (vmgenid_ == nullptr || vmclock_ == nullptr) return absl::OkStatus();
  const auto id = Draw<VmGenId::Id>(environment_.entropy);
  absl::Status status = vmclock_->Renew(TimeAt(counter), Draw<uint64_t>(environment_.entropy));
  status.Update(vmgenid_->Renew(id));
  return status;
}

size_t MachineDevices::Input(absl::Span<const std::byte> data) {
  return input_device_ == ConsoleConfig::Device::kSerial ? serial_->OfferInput(data)
                                                         : console_->OfferInput(data);
}

void MachineDevices::SetInputRoomCallback(std::function<void()> on_room) {
  absl::MutexLock lock(&input_mutex_);
  on_input_room_ = std::move(on_room);
}

void MachineDevices::OnInputRoom() {
  absl::MutexLock lock(&input_mutex_);
  if (on_input_room_) on_input_room_();
}

void MachineDevices::CollectStats(MachineStats& stats) const {
  stats.mmio = bus_.counts();
  stats.unmapped_reads = bus_.unmapped_reads();
  stats.unmapped_writes = bus_.unmapped_writes();
  stats.devices.push_back({"serial", serial_->stats()});
  stats.devices.push_back({"rtc", rtc_->stats()});
  stats.devices.push_back({"pvpanic", pvpanic_->stats()});
  for (const VirtioSlot& slot : virtio_) {
    stats.devices.push_back({slot.name, slot.device->counters().Snapshot()});
  }
}

}  // namespace firn
