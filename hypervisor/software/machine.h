// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The CPUs, memory, GIC and eventfds of one VM, and the order in which its CPUs execute.
//
// One thread at a time executes the machine, for all vCPUs, in slices of a fixed number of
// instructions, round robin; it does so while every vCPU's Run is in progress.
// An exit of a vCPU stops the machine until that vCPU's thread is in Run again. So the order of
// everything in the guest depends on instructions alone, not on the host's threads.
#ifndef FIRN_HYPERVISOR_SOFTWARE_MACHINE_H_
#define FIRN_HYPERVISOR_SOFTWARE_MACHINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/exit.h"
#include "hypervisor/software/cpu.h"
#include "hypervisor/software/event_fds.h"
#include "hypervisor/software/gicv5/vgicv5.h"
#include "hypervisor/software/machine_clock.h"
#include "hypervisor/software/memory_map.h"
#include "hypervisor/software/software_hypervisor.h"

namespace firn::software {

// Thread rules: Run by each vCPU's thread; Kick and clock from any thread; the rest with a Lock.
class Machine : public CpuBus, public gicv5::Machine {
 public:
  static absl::StatusOr<std::unique_ptr<Machine>> Create(const SoftwareOptions& options,
                                                         const EngineLayout& layout, int ipa_bits);
  ~Machine() override;

  // Access from outside Run: waits until the slice in progress has ended, which it hastens.
  class ABSL_SCOPED_LOCKABLE Lock {
   public:
    explicit Lock(Machine* machine) ABSL_EXCLUSIVE_LOCK_FUNCTION(machine->mutex_);
    ~Lock() ABSL_UNLOCK_FUNCTION();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    Machine* const machine_;
  };

  // KVM_RUN of vCPU `index`.
  absl::StatusOr<Exit> Run(uint32_t index) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for nobody who executes the guest.
  void Kick(uint32_t index) ABSL_LOCKS_EXCLUDED(mutex_);
  const MachineClock& clock() const { return clock_; }
  MachineClock& clock() { return clock_; }
  void SetSettle(std::function<void()> settle) { settle_ = std::move(settle); }

  // EIO once the VM is dead.
  absl::Status CheckAlive(std::string_view call) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Adds a CPU with vCPU id `id`; its index is the number of CPUs before.
  absl::StatusOr<Cpu*> AddCpu(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Cpu& cpu(uint32_t index) { return *vcpus_[index]->cpu; }
  size_t cpu_count() const { return vcpus_.size(); }
  MemoryMap& memory() { return *memory_; }
  IoEventFds& io_event_fds() { return io_event_fds_; }
  IrqFds& irq_fds() { return irq_fds_; }
  AlarmFd& alarm_fd() { return alarm_fd_; }
  // Creates the VGICv5 and gives it the CPUs that are there.
  absl::StatusOr<gicv5::Vgicv5*> CreateGic() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The features of the first KVM_ARM_VCPU_INIT, which every other must have too.
  std::optional<uint32_t>& vcpu_features() { return vcpu_features_; }
  void SetInstructionLimit(std::optional<uint64_t> limit) { instruction_limit_ = limit; }
  // Raises what was signalled through irqfds.
  void PollIrqFds();
  // Forgets whose turn it is and what the exclusive monitors have marked, as a machine that is
  // restored from this one's registers knows nothing of it: both then go on alike.
  // While no vCPU is in Run, else nothing.
  void ForgetTurns();
  void SetRoutes(std::vector<GsiRoute> routes) { routes_ = std::move(routes); }

  // CpuBus.
  gicv5::Vgicv5* gic() override { return gic_.get(); }
  bool SignalIoEventFd(GuestAddress address, uint32_t size, uint64_t value) override;
  bool attention() const override { return attention_.load(std::memory_order_relaxed); }

  // PsciMachine.
  std::optional<Power> PowerOf(uint64_t mpidr) override;
  void PowerOn(uint64_t mpidr, uint64_t entry, uint64_t context) override;
  std::optional<bool> AnyOn(uint64_t mpidr, unsigned level) override;

  // gicv5::Machine.
  bool AnyVcpuRunning() const override;
  bool AnyVcpuHasRun() const override;
  int IpaBits() const override { return ipa_bits_; }
  void MarkDead() override { dead_ = true; }
  std::byte* GuestPhysical(GuestAddress address, uint64_t size, bool for_write) override {
    return memory_->Host(address, size, for_write);
  }

 private:
  struct Vcpu {
    std::unique_ptr<Cpu> cpu;
    bool in_run = false;
    bool has_run = false;
    std::optional<Exit> exit;
    std::atomic<bool> kicked = false;
    std::atomic<bool> waits = false;  // in Run, for its exit or a turn to execute
  };

  Machine(const SoftwareOptions& options, int ipa_bits, std::unique_ptr<Engine> engine,
          std::unique_ptr<MemoryMap> memory, IrqFds irq_fds);

  bool CanExecute() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AllInRun() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Execute() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AnyKicked() const;
  bool ReachedStop();
  void YieldToWaiters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Vcpu* PickNext();
  void Idle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True where the machine has to stop for an exit.
  bool ExecuteSlice(Vcpu& vcpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When the alarm's moment is, as the clock's Now tells.
  std::optional<uint64_t> AlarmTime() const;
  // True where the alarm's moment had come.
  bool RingAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RaiseGsi(uint32_t gsi, bool resample);
  void OnSpiDeactivated(uint32_t spi);
  Cpu* FindCpu(uint64_t mpidr);

  const SoftwareOptions options_;
  const int ipa_bits_;
  MachineClock clock_;
  const std::unique_ptr<Engine> engine_;
  const std::unique_ptr<MemoryMap> memory_;
  CodePages code_pages_;
  std::unique_ptr<gicv5::Vgicv5> gic_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  IoEventFds io_event_fds_;
  IrqFds irq_fds_;
  AlarmFd alarm_fd_;
  std::vector<GsiRoute> routes_;
  std::optional<uint32_t> vcpu_features_;
  std::function<void()> settle_;

  absl::Mutex mutex_;
  std::atomic<int> waiters_ = 0;         // Locks that wait for the machine
  std::atomic<bool> attention_ = false;  // a waiter or a kick: look up from the slice
  std::atomic<bool> idle_ = false;       // the executing thread sleeps in IrqFds::Wait
  std::atomic<bool> executing_ = false;  // written under mutex_
  bool dead_ = false;
  std::optional<uint64_t> instruction_limit_;
  size_t current_ = 0;       // whose turn it is
  uint64_t slice_left_ = 0;  // instructions of its turn
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_MACHINE_H_
