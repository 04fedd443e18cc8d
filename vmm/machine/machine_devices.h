// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The devices of one machine, as planned: made, put on the bus, their doorbells and interrupts
// wired to the VM and the event loop.
#ifndef FIRN_VMM_MACHINE_MACHINE_DEVICES_H_
#define FIRN_VMM_MACHINE_MACHINE_DEVICES_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/byte_sink.h"
#include "devices/interrupt_line.h"
#include "devices/mmio_bus.h"
#include "devices/pvpanic/pvpanic.h"
#include "devices/rtc/rtc_device.h"
#include "devices/rtc/wall_clock.h"
#include "devices/serial/serial_device.h"
#include "devices/virtio/console/console_device.h"
#include "devices/virtio/mmio/virtio_mmio.h"
#include "devices/virtio/rng/entropy_source.h"
#include "devices/virtio/virtio_device.h"
#include "devices/vmclock/vmclock.h"
#include "devices/vmgenid/vmgenid.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/vm.h"
#include "migration/state_file.h"
#include "vmm/base/event_loop.h"
#include "vmm/config/config.h"
#include "vmm/machine/device_plan.h"
#include "vmm/machine/entropy.h"
#include "vmm/machine/guest_alarm.h"
#include "vmm/machine/stats.h"

namespace firn {

// What the devices work with. All of it outlives them, but the VM: that goes first, so that no
// vCPU is left to reach a device.
struct DeviceEnvironment {
  GuestMemory& memory;
  GuestMemory& shared_pages;  // kSharedPagesRegion
  Vm& vm;
  EventLoop& loop;
  Entropy& entropy;
  bool is_deterministic;  // the guest's wall clock follows the VM's counter
  uint64_t counter;       // the guest's virtual counter now
  ByteSink& serial_output;
  ByteSink& console_output;
  const EventFd* console_room = nullptr;  // readable when it has room again; null: it always has
  std::function<void()> on_console_room = nullptr;  // calls OnConsoleRoom, if the guest runs
  std::function<void()> on_panic;                   // pvpanic, on a vCPU's thread
};

// Thread rules: bus, Input and SetInputRoomCallback from any thread; the rest from the thread that
// made it.
class MachineDevices {
 public:
  // Errors: those of the files behind disks, naming them; of eventfd and of the VM, with errno.
  static absl::StatusOr<std::unique_ptr<MachineDevices>> Create(
      const VmConfig& config, const DevicePlan& plan, const DeviceEnvironment& environment);
  // The same devices in the state that Save put into `state`. Errors besides those of Create:
  // DataLoss (a section is missing), InvalidArgument (a damaged one), FailedPrecondition (a disk is
  // not the one of the snapshot). No interrupt is raised. Call ServeQueues before the guest runs.
  static absl::StatusOr<std::unique_ptr<MachineDevices>> Restore(
      const VmConfig& config, const DevicePlan& plan, const DeviceEnvironment& environment,
      const StateFile& state);
  // Takes doorbells and the alarm out of the event loop.
  ~MachineDevices();
  MachineDevices(const MachineDevices&) = delete;
  MachineDevices& operator=(const MachineDevices&) = delete;

  MmioBus& bus() { return bus_; }

  // Input for the console device that the configuration chose; returns how much it took.
  size_t Input(absl::Span<const std::byte> data);
  // Called when that device has room again after it took too little. Any thread calls it.
  void SetInputRoomCallback(std::function<void()> on_room);

  // With no vCPU in the guest: finishes the work that the guest has rung for (but for output that
  // the console has no room for), and sees that every interrupt which a device raised has reached
  // the interrupt controller. Until Thaw no interrupt leaves. Errors: those of KVM_IRQFD.
  absl::Status Freeze();
  // After an error some interrupts do not leave still: a Thaw more tries those again.
  absl::Status Thaw();
  // Adds one section for each device that has state. Frozen.
  void Save(StateFile& state) const;
  // Looks at every queue once, for what was rung for just before a save, and for the output that
  // had no room then.
  void ServeQueues();

  // Serves the output that the virtio console had no room for. Nothing where the machine is
  // deterministic: there none is left behind.
  void OnConsoleRoom();
  // Tells the guest that it stood still: now its virtual counter is at `counter`. Does nothing
  // where the wall clock stood still with it.
  absl::Status OnResume(uint64_t counter);
  // Tells the guest that it is a copy: a new generation id, a new generation of its VMClock.
  absl::Status RenewIdentity(uint64_t counter);

  // The guest reported a panic through pvpanic.
  bool panicked() const { return panicked_; }

  // Adds the counts of the bus and of each device.
  void CollectStats(MachineStats& stats) const;

 private:
  struct Interrupt {
    std::unique_ptr<EventFdInterruptLine> line;
    uint32_t spi;
    bool is_wired = true;  // by an irqfd
  };

  struct VirtioSlot {
    std::string name;
    std::string section;  // of a snapshot
    std::unique_ptr<virtio::VirtioDevice> device;
    std::unique_ptr<virtio::VirtioMmio> transport;
  };

  // Entropy never fails.
  class RngSource final : public EntropySource {
   public:
    explicit RngSource(Entropy& entropy) : entropy_(entropy) {}
    absl::Status Fill(absl::Span<std::byte> data) override {
      entropy_.Fill(data);
      return absl::OkStatus();
    }

   private:
    Entropy& entropy_;
  };

  MachineDevices(const VmConfig& config, const DeviceEnvironment& environment,
                 const StateFile* state, EventFd acknowledgements);
  static absl::StatusOr<std::unique_ptr<MachineDevices>> Make(const VmConfig& config,
                                                              const DevicePlan& plan,
                                                              const DeviceEnvironment& environment,
                                                              const StateFile* state);

  absl::Status Add(const VmConfig& config, const PlannedDevice& planned);
  absl::Status AddRtc(const PlannedDevice& planned, InterruptLine* interrupt);
  absl::Status AddVirtio(const PlannedDevice& planned, std::unique_ptr<virtio::VirtioDevice> device,
                         InterruptLine& interrupt);
  absl::Status WireDoorbell(virtio::VirtioMmio& transport, GuestAddress registers, size_t queue);
  absl::Status WireAcknowledgement(GuestAddress registers);
  absl::Status WatchConsoleRoom();
  absl::StatusOr<InterruptLine*> AddInterrupt(const PlannedDevice& planned);
  absl::StatusOr<std::unique_ptr<virtio::VirtioDevice>> MakeVirtio(const VmConfig& config,
                                                                   const PlannedDevice& planned);
  void OnInputRoom();

  absl::Status AddVmGenId(const PlannedDevice& planned, InterruptLine& interrupt);
  absl::Status AddVmClock(const PlannedDevice& planned, InterruptLine& interrupt);
  VmClockTime TimeAt(uint64_t counter) { return {counter, wall_clock_->Nanoseconds()}; }

  absl::Status AddSerial(const PlannedDevice& planned, InterruptLine& interrupt);
  absl::Status SetIrqFds(bool wired);

  const DeviceEnvironment environment_;
  const StateFile* const state_;  // while the devices are made; null: new ones
  const ConsoleConfig::Device input_device_;
  const std::unique_ptr<WallClock> wall_clock_;
  RngSource rng_source_;
  std::atomic<bool> panicked_ = false;

  absl::Mutex input_mutex_;
  std::function<void()> on_input_room_ ABSL_GUARDED_BY(input_mutex_);

  // Takes what drivers acknowledge, of all virtio devices: nobody needs to know (VirtioMmio).
  const EventFd acknowledgements_;
  std::vector<Interrupt> interrupts_;
  std::unique_ptr<SerialDevice> serial_;
  std::unique_ptr<GuestAlarm> alarm_;
  std::unique_ptr<RtcDevice> rtc_;
  std::unique_ptr<Pvpanic> pvpanic_;
  std::unique_ptr<VmGenId> vmgenid_;  // null, both, in VmConfig without identity devices
  std::unique_ptr<VmClock> vmclock_;
  std::vector<VirtioSlot> virtio_;
  virtio::ConsoleDevice* console_ = nullptr;  // one of virtio_
  std::vector<int> events_;                   // in the event loop: doorbells and the alarm
  MmioBus bus_;
};

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_MACHINE_DEVICES_H_
