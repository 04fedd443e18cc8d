// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Guest memory that another process loads on demand: a page fault handler with the protocol of
// Firecracker's (its docs/snapshotting/handling-page-faults-on-snapshot-resume.md).
#ifndef FIRN_MIGRATION_FAULT_HANDLER_H_
#define FIRN_MIGRATION_FAULT_HANDLER_H_

#include <pthread.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/file_descriptor.h"
#include "hypervisor/guest_memory.h"
#include "migration/lost_memory.h"
#include "migration/userfault.h"

namespace firn {

struct FaultHandlerOptions {
  // Readable once firn is to end, whatever its other threads wait for; -1: none.
  int end_fd = -1;
  // Called once, on a thread of the handler's own, when memory is lost (see FaultHandler), while
  // the threads that wait for it still do: it must take no lock that one of them may hold. The
  // status is Cancelled where firn is to end anyway.
  std::function<void(const absl::Status&)> on_lost;
};

// The handler puts every page in place; a thread that touches one waits until then. When the
// handler is gone before all pages are there, or threads may still wait for it kGrace after firn
// was told to end, all memory is lost, what was loaded too: from then on a system call or a vCPU of
// KVM that touches it fails with EFAULT, and any other instruction raises SIGBUS. So nobody waits
// for ever, whatever becomes of the handler. One that has put all pages in place may go.
//
// Thread rules: status and EndSoon may be called from any thread, the rest from its owner's.
class FaultHandler {
 public:
  static constexpr absl::Duration kGrace = absl::Seconds(1);

  // Connects to the unix socket `path`, on which the handler listens, and sends it one message: a
  // userfaultfd with which all of `memory` is registered, as SCM_RIGHTS, and a JSON array that says
  // for each region `base_host_virt_addr`, `size`, `offset` (of its first byte in the memory file),
  // `page_size` and its deprecated other name `page_size_kib`, all in bytes. `memory` is new and
  // outlives this. Errors: those of Userfault and of the socket, with errno and `path`; EAGAIN: it
  // does not accept connections.
  static absl::StatusOr<std::unique_ptr<FaultHandler>> Connect(const std::string& path,
                                                               const GuestMemory& memory,
                                                               FaultHandlerOptions options);
  // Nobody uses the memory any more.
  ~FaultHandler();

  // OK, or why memory is lost.
  absl::Status status() const;

  // As if `end_fd` were readable.
  void EndSoon();
  // Nobody waits for memory any more: nothing is lost from now on.
  void EndWatch();

 private:
  FaultHandler(std::string path, const GuestMemory& memory, FaultHandlerOptions options,
               Userfault userfault, LostMemory lost, FileDescriptor socket, EventFd wake);

  static void* ThreadMain(void* self);
  // Until the memory needs nobody any more: then OK. Else why it is lost.
  absl::Status Watch();
  absl::Status OnHangUp();
  void Lose(const absl::Status& why);

  const std::string path_;
  const GuestMemory& memory_;
  const FaultHandlerOptions options_;
  Userfault userfault_;
  const LostMemory lost_;
  // Its end tells the handler that the guest is gone.
  const FileDescriptor socket_;
  const EventFd wake_;

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);

  std::optional<pthread_t> thread_;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_FAULT_HANDLER_H_
