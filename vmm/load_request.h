// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// From PUT /snapshot/load of the control API to what a restore needs.
#ifndef FIRN_VMM_LOAD_REQUEST_H_
#define FIRN_VMM_LOAD_REQUEST_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "migration/snapshot.h"
#include "vmm/api/request.h"
#include "vmm/config/config.h"
#include "vmm/machine/machine_snapshot.h"

namespace firn {

struct LoadedSnapshot {
  std::unique_ptr<Snapshot> snapshot;
  VmConfig config;  // valid
  RestoreRequest request;
  std::string note;  // what the user should know; may be empty
};

// `apply` puts what the command line says over the snapshot's configuration. Errors: those of
// Snapshot::Open, of `apply`, of the configuration, and of the working set.
absl::StatusOr<LoadedSnapshot> OpenSnapshotToLoad(
    const api::LoadSnapshot& load, const std::function<absl::Status(VmConfig&)>& apply);

}  // namespace firn

#endif  // FIRN_VMM_LOAD_REQUEST_H_
