// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/load_request.h"

#include <optional>
#include <utility>

#include "hypervisor/errno_status.h"
#include "vmm/config/snapshot_config.h"
#include "vmm/machine/memory_request.h"

namespace firn {

absl::StatusOr<LoadedSnapshot> OpenSnapshotToLoad(
    const api::LoadSnapshot& load, const std::function<absl::Status(VmConfig&)>& apply) {
  const bool has_handler = load.backend == api::LoadSnapshot::Backend::kUffd;
  // With a handler, the memory file is where the snapshot says.
  absl::StatusOr<std::unique_ptr<Snapshot>> snapshot =
      Snapshot::Open(SystemFileCalls(), load.snapshot_path,
                     has_handler ? std::nullopt : std::optional(load.backend_path));
  if (!snapshot.ok()) return snapshot.status();
  absl::StatusOr<VmConfig> config = ConfigOfSnapshot(**snapshot);
  if (!config.ok()) return config.status();
  absl::Status status = apply(*config);
  if (status.ok()) status = Annotate(Validate(*config), "the snapshot's configuration");
  if (!status.ok()) return status;
  config->machine.track_dirty_pages |= load.track_dirty_pages;
  LoadedSnapshot loaded = {*std::move(snapshot), *std::move(config), {}, ""};
  if (has_handler) {
    loaded.request.load = MemoryLoad::kHandler;
    loaded.request.fault_handler = load.backend_path;
    return loaded;
  }
  status = ReadMemoryChoice(load.memory, *loaded.snapshot, api::MemoryFieldName, loaded.request,
                            loaded.note);
  if (!status.ok()) return status;
  return loaded;
}

}  // namespace firn
