// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The thread that runs one vCPU, and how others pause, resume and stop it.
#ifndef FIRN_VMM_MACHINE_VCPU_THREAD_H_
#define FIRN_VMM_MACHINE_VCPU_THREAD_H_

#include <pthread.h>

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "hypervisor/exit.h"
#include "hypervisor/vcpu.h"

namespace firn {

// What the vCPU threads of a machine report; called on those threads, several at once.
class VcpuExitHandler {
 public:
  virtual ~VcpuExitHandler() = default;

  // Right before the vCPU executes for the first time.
  virtual void OnVcpuStart(uint32_t vcpu) = 0;
  // An access outside memory: answers a load by filling exit.data.
  virtual void OnMmio(uint32_t vcpu, const MmioExit& exit) = 0;
  // Asked after every MMIO access and kick: true keeps the vCPU out of the guest, from exactly
  // this instruction on.
  virtual bool IsHalted() = 0;
  // The instruction limit is reached; the vCPU waits for Resume.
  virtual void OnInstructionLimit(uint32_t vcpu) = 0;
  // The vCPU will not run again by itself: an exit that is none of these, any exit
  // with IsHalted, or the error of Run. The thread then waits for Stop. At most once per vCPU.
  virtual void OnVcpuStopped(uint32_t vcpu, absl::StatusOr<Exit> why) = 0;
};

// Exits of one vCPU by kind, for --stats.
struct ExitCounts {
  uint64_t mmio_reads = 0;
  uint64_t mmio_writes = 0;
  uint64_t system_events = 0;
  uint64_t kicks = 0;
  uint64_t instruction_limits = 0;
  uint64_t failures = 0;  // FailureExit, UnknownExit and errors of Run
};

// Thread rules: methods are called by one thread, not the vCPU's.
class VcpuThread {
 public:
  // Starts a paused thread; `vcpu` and `handler` outlive it. The signals
  // that end firn are blocked on it. Errors: those of pthread_create (EAGAIN).
  static absl::StatusOr<std::unique_ptr<VcpuThread>> Start(Vcpu& vcpu, VcpuExitHandler& handler);

  // Stops.
  ~VcpuThread();

  // Asks the vCPU to run, or to leave the guest. WaitUntilPaused returns once it has left: its
  // last exit is complete (Vcpu::CompleteExit), its registers can be read. Apart from each other
  // so that all vCPUs can be asked before the first is waited for.
  void Resume();
  void RequestPause();
  void WaitUntilPaused();
  // The same, but false where it has not left at `deadline`: it may be in an MMIO handler that
  // waits.
  bool WaitUntilPaused(absl::Time deadline);

  // Leaves the guest for good. RequestStop only asks; Join waits for the thread's end.
  void RequestStop();
  void Join();

  // Once joined or paused.
  ExitCounts exit_counts() const;

 private:
  enum class Goal { kPause, kRun, kStop };

  VcpuThread(Vcpu& vcpu, VcpuExitHandler& handler) : vcpu_(vcpu), handler_(handler) {}

  static void* ThreadMain(void* self);
  void Loop();
  // Handles one return of Run; false where the vCPU will not run again by itself.
  bool HandleExit(absl::StatusOr<Exit> exit);
  void SetGoal(Goal goal);
  bool MayRun() const;
  void PauseItself();
  // Is paused until the goal is to run or to stop; once the vCPU is `done`, only to stop.
  Goal WaitWhilePaused(bool done);

  Vcpu& vcpu_;
  VcpuExitHandler& handler_;
  pthread_t thread_ = {};
  bool joined_ = false;

  mutable absl::Mutex mutex_;
  Goal goal_ ABSL_GUARDED_BY(mutex_) = Goal::kPause;
  bool is_paused_ ABSL_GUARDED_BY(mutex_) = false;
  ExitCounts counts_;  // the vCPU thread's; read after is_paused_ or Join
};

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_VCPU_THREAD_H_
