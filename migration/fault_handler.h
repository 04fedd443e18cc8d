// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Guest memory that another process loads on demand: a page fault handler with the protocol of
// Firecracker's (its docs/snapshotting/handling-page-faults-on-snapshot-resume.md).
#ifndef FIRN_MIGRATION_FAULT_HANDLER_H_
#define FIRN_MIGRATION_FAULT_HANDLER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/file_descriptor.h"
#include "hypervisor/guest_memory.h"
#include "migration/userfault.h"

namespace firn {

class FaultHandler {
 public:
  // Connects to the unix socket `path`, on which the handler listens, and sends it one message: a
  // userfaultfd with which all of `memory` is registered, as SCM_RIGHTS, and a JSON array that says
  // for each region `base_host_virt_addr`, `size`, `offset` (of its first byte in the memory file),
  // `page_size` and its deprecated other name `page_size_kib`, all in bytes. The handler puts every
  // page in place; a thread that touches one waits until then. `memory` is new and outlives this.
  // Errors: those of Userfault and of the socket, with errno and `path`.
  static absl::StatusOr<std::unique_ptr<FaultHandler>> Connect(const std::string& path,
                                                               const GuestMemory& memory);

 private:
  FaultHandler(Userfault userfault, FileDescriptor socket)
      : userfault_(std::move(userfault)), socket_(std::move(socket)) {}

  const Userfault userfault_;
  // Its end tells the handler that the guest is gone.
  const FileDescriptor socket_;
};

}  // namespace firn

#endif  // FIRN_MIGRATION_FAULT_HANDLER_H_
