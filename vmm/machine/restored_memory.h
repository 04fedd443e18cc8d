// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The memory of a machine that comes from a snapshot, from the restore on: how it is loaded, what
// becomes of it when its files change underneath, and what it cost.
#ifndef FIRN_VMM_MACHINE_RESTORED_MEMORY_H_
#define FIRN_VMM_MACHINE_RESTORED_MEMORY_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/guest_memory.h"
#include "migration/demand_loader.h"
#include "migration/fault_handler.h"
#include "migration/snapshot.h"
#include "vmm/console/memory_guard.h"
#include "vmm/machine/machine_snapshot.h"
#include "vmm/machine/stats.h"

namespace firn {

// Told once, on another thread, when the guest's memory is lost while it runs, and it has to stop:
// DemandOptions, FaultHandlerOptions. Cancelled: somebody has told firn to end already.
class LossHandler {
 public:
  virtual void OnMemoryLost(const absl::Status& why) = 0;

 protected:
  ~LossHandler() = default;
};

// Thread rules: one thread, that of the machine's owner.
class RestoredMemory {
 public:
  // `memory` is new and outlives this; `snapshot` is needed for the call only. kDemand falls back
  // to kMapped where there is no userfaultfd, unless it is to record; note() tells. `handler`
  // outlives this; `end_fd`: FaultHandlerOptions. Errors: those of LoadMemory, DemandLoader::Start
  // and FaultHandler::Connect; InvalidArgument for a handler and layers.
  static absl::StatusOr<std::unique_ptr<RestoredMemory>> Load(const Snapshot& snapshot,
                                                              const RestoreRequest& request,
                                                              GuestMemory& memory,
                                                              LossHandler& handler, int end_fd);

  // What the user should know of the restore; empty where it is as was asked.
  const std::string& note() const { return note_; }

  // OK, or why memory is lost.
  absl::Status status() const;
  // Ends recording, and returns when all is in place.
  absl::Status FinishLoading(const Progress& progress = nullptr);
  // Ends recording, and writes the working set if that was asked for and is still to be done.
  absl::Status FinishRecording();

  // The guest is told to stop, and then has stopped: threads that wait for a page of a handler that
  // does not answer are let go in between (FaultHandler).
  void OnStopRequested();
  void OnStopped();

  // An error of a vCPU, with what may be behind it.
  absl::Status Explain(const absl::Status& vcpu_error) const;

  RestoreStats stats() const;

 private:
  RestoredMemory() = default;
  absl::Status LoadOnDemand(const Snapshot& snapshot, const RestoreRequest& request,
                            GuestMemory& memory, LossHandler& handler);
  absl::Status UseHandler(const Snapshot& snapshot, const std::string& socket,
                          const GuestMemory& memory, LossHandler& handler, int end_fd);
  // A guard for memory that may be lost: the guest's threads get out, and `handler` is told.
  std::function<void(const absl::Status&)> GuardLoss(const GuestMemory& memory,
                                                     LossHandler& handler);
  void PrefetchMapped(const Snapshot& snapshot, const std::vector<PageRun>& runs,
                      const GuestMemory& memory);

  RestoreStats stats_;
  std::string note_;
  std::string record_path_;  // empty: nothing to record, or done
  SnapshotId id_ = {};
  std::vector<PageRun> recorded_;
  std::unique_ptr<MemoryGuard> guard_;
  std::unique_ptr<DemandLoader> loader_;
  std::unique_ptr<FaultHandler> handler_;
};

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_RESTORED_MEMORY_H_
