// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Loads the memory of a snapshot while the guest runs: what is touched at once, the rest behind it.
#ifndef FIRN_MIGRATION_DEMAND_LOADER_H_
#define FIRN_MIGRATION_DEMAND_LOADER_H_

#include <pthread.h>

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
#include "hypervisor/event_fd.h"
#include "hypervisor/guest_memory.h"
#include "migration/layered_chunks.h"
#include "migration/lost_memory.h"
#include "migration/memory_file.h"
#include "migration/snapshot.h"
#include "migration/userfault.h"

namespace firn {

struct DemandOptions {
  // In the order in which they are wanted; loaded before Start returns.
  std::vector<PageRun> prefetch;
  // Notes what the guest touches, in its order; nothing else is loaded meanwhile.
  bool record = false;
  // Called once, on the loader's thread, when memory is lost (see DemandLoader), while the threads
  // that wait for it still do: it must take no lock that one of them may hold.
  std::function<void(const absl::Status&)> on_error;
  // For tests: pages of a host with larger ones, in bytes; a multiple of this host's.
  uint64_t host_page_size = HostPageSize();
};

struct DemandStats {
  uint64_t faults = 0;            // waits that were served
  uint64_t pages_copied = 0;      // read from files and put in place, whatever for
  uint64_t pages_zeroed = 0;      // put in place as zeros
  uint64_t pages_prefetched = 0;  // of both, those put in place before Start returned
  uint64_t reads = 0;             // calls
  uint64_t bytes_read = 0;
};

// The host puts whole pages of its own in place, which may be larger than the guest's: what is
// touched, stored, loaded and recorded is then whole host pages, each put together from all layers.
//
// One thread serves faults first and loads the rest, in order, between them. When all is in place
// it lets go of the memory and ends.
//
// When a file cannot be read or a checksum is wrong, what was not loaded is lost: on_error is told,
// and from then on a system call or a vCPU of KVM that touches a lost page fails with EFAULT, and
// any other instruction raises SIGBUS. Nobody waits for ever, and nobody gets wrong bytes.
//
// Thread rules: every public method may be called from any thread that holds no lock which a thread
// that touches the memory may want.
class DemandLoader {
 public:
  // `memory` is new, has the regions of `snapshot`, and outlives the loader. `snapshot` is needed
  // for the call only. Errors: those of userfaultfd, of reading what is prefetched, and ENOTSUP
  // where a region is not whole pages of the host.
  static absl::StatusOr<std::unique_ptr<DemandLoader>> Start(Userfault userfault,
                                                             const Snapshot& snapshot,
                                                             GuestMemory& memory,
                                                             DemandOptions options);
  // Nobody uses the memory any more.
  ~DemandLoader();

  // OK, or why memory is lost.
  absl::Status status() const;
  // Loads the rest now. Recording ends.
  absl::Status Finish(const Progress& progress = nullptr);
  // Ends recording, and lets the rest be loaded. What was touched until now; then nothing more.
  std::vector<PageRun> EndRecording();

  DemandStats stats() const;

 private:
  DemandLoader(Userfault userfault, EventFd wake, LostMemory lost, GuestMemory& memory,
               DemandOptions options);
  absl::Status Prepare(const Snapshot& snapshot);

  static void* ThreadMain(void* self);
  absl::Status Serve();
  absl::Status ServeFaults();
  absl::Status ServeFault(uint64_t page);
  // Loads the next chunk; false where none is left.
  absl::StatusOr<bool> FillNext();
  absl::Status Prefetch(const std::vector<PageRun>& runs);
  // Neighbours, all of one layer.
  absl::Status Load(ChunkOfLayer first, uint64_t count);
  absl::Status ZeroRun(PageRun run);
  absl::Status LetGo();
  void Fail(const absl::Status& status);
  void Lose();

  std::optional<uint64_t> PageOf(const std::byte* address) const;
  // In some layer.
  const PageSet& stored() const { return chunks_->stored(); }
  PageRun ZerosAround(uint64_t page) const;
  void Record(PageRun run);

  const PageTable table_;
  const absl::Span<const GuestMemoryRegion> regions_;
  const DemandOptions options_;
  const uint64_t granule_;  // pages of the guest in one of the host
  const EventFd wake_;
  const LostMemory lost_;

  // Of the thread, once it runs. The sets have whole host pages.
  std::optional<Userfault> userfault_;
  std::optional<LayeredChunks> chunks_;
  PageSet missing_;  // of what is stored: not in place yet
  PageSet zeroed_;   // others that are in place
  std::vector<std::byte> buffer_;
  uint64_t fill_at_ = 0;
  uint64_t to_fill_ = 0;  // pages that were missing at the start

  struct Counts {
    std::atomic<uint64_t> faults = 0, copied = 0, zeroed = 0, prefetched = 0, reads = 0, bytes = 0;
  };
  Counts counts_;

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;  // all in place, or lost
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool recording_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<PageRun> record_ ABSL_GUARDED_BY(mutex_);
  Progress progress_ ABSL_GUARDED_BY(mutex_);

  std::optional<pthread_t> thread_;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_DEMAND_LOADER_H_
