// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One virtual machine, assembled from a configuration, with its vCPU threads: from the first
// instruction to the guest's last word. A reboot is another Machine (VGICv5 has no reset).
#ifndef FIRN_VMM_MACHINE_MACHINE_H_
#define FIRN_VMM_MACHINE_MACHINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "arch-aarch64/guest_counters.h"
#include "arch-aarch64/interrupt_controller.h"
#include "arch-aarch64/vcpu_features.h"
#include "devices/byte_sink.h"
#include "hypervisor/hypervisor.h"
#include "migration/manifest.pb.h"
#include "migration/memory_file.h"
#include "migration/page_set.h"
#include "migration/snapshot.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/timeline.h"
#include "vmm/config/config.h"
#include "vmm/console/guest_console.h"
#include "vmm/machine/entropy.h"
#include "vmm/machine/machine_devices.h"
#include "vmm/machine/machine_snapshot.h"
#include "vmm/machine/restored_memory.h"
#include "vmm/machine/stats.h"
#include "vmm/machine/vcpu_thread.h"

namespace firn {

// How a guest's life ended.
struct MachineEnd {
  enum class Kind {
    kPowerOff,          // PSCI SYSTEM_OFF
    kReboot,            // PSCI SYSTEM_RESET
    kPanic,             // the kernel said so, or a crash was reported through the hypervisor
    kCrash,             // the guest did what the hypervisor cannot execute
    kInstructionLimit,  // SoftwareConfig::stop_at
    kHostError,         // the hypervisor failed
  };
  Kind kind = Kind::kPowerOff;
  std::string detail;  // the panic's reason, the error; may be empty
};

// What a machine is given from the outside. All of it outlives the machine.
struct MachineHost {
  Hypervisor& hypervisor;
  EventLoop& loop;
  Timeline& timeline;
  Entropy& entropy;  // seeds and the guest's virtio-rng
  ByteSink* output;  // of both consoles; null: nowhere
  // Readable when `output` has room again for what it did not take of an Offer; null: it takes all.
  const EventFd* output_room = nullptr;
  PhaseObserver trace = nullptr;  // of saves and restores
  // Readable once firn is to end, also where the thread of `loop` waits for guest memory; -1: none.
  int end_fd = -1;
};

class Machine : private VcpuExitHandler, private LossHandler {
 public:
  // Everything up to the first instruction: memory, VM, interrupt controller, vCPUs, devices,
  // kernel, threads (paused). `on_end` is called once, on a thread of the machine's own.
  // Errors say what is wrong with the configuration or the host.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(
      const VmConfig& config, const MachineHost& host,
      std::function<void(const MachineEnd&)> on_end);

  // The same from a snapshot, up to the instruction after the save; `config` is the snapshot's, but
  // for what was overridden. A damaged snapshot, or one of another machine or host, is an error and
  // leaves nothing behind. machine_restore.cc
  static absl::StatusOr<std::unique_ptr<Machine>> Restore(
      const VmConfig& config, const MachineHost& host, const Snapshot& snapshot,
      const RestoreRequest& request, std::function<void(const MachineEnd&)> on_end);

  // Stops.
  ~Machine() override;

  absl::Status Start() { return Resume(); }
  // Takes the vCPUs out of the guest, and lets them in again. Devices finish what they were rung
  // for before Pause returns, but for output that the virtio console has no room for: from then on
  // nothing is written to a disk. Pausing what is paused and resuming what runs changes nothing.
  // DeadlineExceeded: a vCPU did not come out in time, because its serial console is not read; the
  // guest runs on. After Start, before RequestStop.
  absl::Status Pause();
  absl::Status Resume();
  bool is_paused() const { return is_paused_; }

  // Saves the whole machine, which runs on (or stays paused) whatever becomes of it; after an error
  // an older snapshot of the same name is whole. After Start, before RequestStop.
  absl::StatusOr<SavedSnapshot> Save(const SaveRequest& request);
  // Of the guest as it is; paused.
  absl::StatusOr<StateHash> Hash();

  // Deterministic machines: on_end tells kInstructionLimit once the guest has executed this many
  // instructions since it was booted, the part before a restore included; and then the machine is
  // paused.
  absl::Status SetInstructionLimit(std::optional<uint64_t> limit);
  uint64_t instructions() const { return instructions_before_ + vm_->instructions(); }

  // Takes the vCPUs out of the guest for good: RequestStop only asks. Idempotent.
  void RequestStop();
  void Stop();

  // A restored machine: what the user should know of how its memory is loaded; else empty.
  std::string restore_note() const;
  // Writes the working set that RestoreRequest asks for, once: a save and Hash do so too, but keep
  // their errors for this call. After Stop, or while it is wanted to end.
  absl::Status FinishRecording();

  // After Stop: writes what the guest had sent to the virtio console and there was no room for;
  // waits for it as ConsoleOutput does.
  void FinishConsole();

  // For the console that has the input: see MachineDevices.
  size_t Input(absl::Span<const std::byte> data) { return devices_->Input(data); }
  void SetInputRoomCallback(std::function<void()> on_room) {
    devices_->SetInputRoomCallback(std::move(on_room));
  }

  // One line on the interrupt controller, and why it is this one.
  std::string interrupt_controller() const;

  // After Stop.
  MachineStats stats() const;

 private:
  Machine(const MachineHost& host, std::function<void(const MachineEnd&)> on_end);

  // `snapshot` null: a machine that boots.
  absl::Status CreateVm(const VmConfig& config, const DevicePlan& plan, const MemoryLayout& layout,
                        const Snapshot* snapshot);
  absl::Status CreateSharedPages();
  absl::Status CreateDevices(const VmConfig& config, const DevicePlan& plan,
                             const Snapshot* snapshot);
  absl::Status LoadKernel(const VmConfig& config, const DevicePlan& plan,
                          const MemoryLayout& layout);
  absl::Status StartThreads();

  // Checks the number of vCPUs, too.
  static absl::StatusOr<MemoryLayout> LayoutOf(const VmConfig& config,
                                               const Hypervisor& hypervisor);
  absl::Status ChooseFeatures(const Snapshot* snapshot);
  // Phases of a restore.
  absl::Status RestoreMemory(const Snapshot& snapshot, const RestoreRequest& request);
  absl::Status RestoreRegisters(const Snapshot& snapshot);
  absl::Status RestoreTime(const Snapshot& snapshot);
  // Parts of a save.
  absl::Status FinishLoading(const Progress& progress = nullptr);
  absl::Status MemoryStatus() const;
  absl::Status SaveRegisters(StateFile& state);
  absl::Status SaveMemory(const SaveRequest& request, MemoryFileWriter& writer);
  absl::Status SaveRunningMemory(const SaveRequest& request, MemoryFileWriter& writer);
  // All that may not be zero.
  absl::StatusOr<PageSet> PagesWithContent() const;
  // The pages to save that were written so far, or all where writes are not tracked.
  absl::StatusOr<PageSet> PagesToSave(const SaveRequest& request) const;
  // FailedPrecondition if the guest has ended.
  absl::Status PauseToSave();
  // The output has room for what waits in the console's queue. On the event loop.
  void OnConsoleRoom();
  // What was written since the last look, which goes to `dirty_pages_` too; with track_dirty_pages.
  absl::StatusOr<PageSet> CollectDirty();
  absl::StatusOr<state::Manifest> DescribeSnapshot(const SaveRequest& request,
                                                   const SnapshotId& id) const;

  void OnVcpuStart(uint32_t vcpu) override;
  void OnInstructionLimit(uint32_t vcpu) override;
  void OnMmio(uint32_t vcpu, const MmioExit& exit) override;
  bool IsHalted() override { return halted_; }
  void OnVcpuStopped(uint32_t vcpu, absl::StatusOr<Exit> why) override;

  // The kernel said that it has halted after a panic.
  void OnHalt();
  // LossHandler
  void OnMemoryLost(const absl::Status& why) override;
  MachineEnd EndOf(uint32_t vcpu, const absl::StatusOr<Exit>& why) const;
  std::string PanicReason() const;

  const MachineHost host_;
  const std::function<void(const MachineEnd&)> on_end_;
  std::atomic<bool> halted_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> memory_lost_ = false;  // then nothing that the guest does counts any more
  bool is_paused_ = false;

  // Destroyed from the last to the first: what comes later uses what comes before.
  GuestConsole serial_console_;
  GuestConsole virtio_console_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<GuestMemory> shared_pages_;  // what devices show the guest: not in snapshots
  std::unique_ptr<MachineDevices> devices_;
  std::unique_ptr<Vm> vm_;
  std::unique_ptr<InterruptController> interrupt_controller_;
  std::string controller_reason_;
  VcpuFeatures features_;
  VmConfig config_;
  GuestCounters paused_counters_;     // at Pause
  uint64_t instructions_before_ = 0;  // executed before the restore
  std::atomic<bool> limit_told_ = false;

  // Memory of the snapshot that this machine came from, or was saved to last.
  struct Base {
    SnapshotId id;
    std::string state_path;
  };
  std::optional<Base> base_;
  // A bitmap grows with guest memory: both are of no pages where there is no use for them.
  PageSet stored_pages_{0};  // in the files that guest memory comes from
  PageSet dirty_pages_{0};   // since `base_`, with track_dirty_pages
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  // Null for a machine that booted. Its thread kicks vCPUs, and serves theirs.
  std::unique_ptr<RestoredMemory> restored_memory_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
};

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_MACHINE_H_
