// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/snapshot_config.h"

#include "hypervisor/errno_status.h"
#include "vmm/config/config_json.h"

namespace firn {

absl::StatusOr<VmConfig> ConfigOfSnapshot(const Snapshot& snapshot) {
  const absl::StatusOr<std::string_view> text = snapshot.Section("config");
  if (!text.ok()) return text.status();
  absl::StatusOr<VmConfig> config = ParseConfig(*text);
  if (!config.ok()) return Annotate(config.status(), "the snapshot's configuration");
  config->gic =
      snapshot.manifest().interrupt_controller() == "GICv3" ? GicChoice::kV3 : GicChoice::kV5;
  config->software.stop_at.reset();
  config->has_identity_devices = snapshot.state().Find("device/vmgenid") != nullptr;
  // Where its random numbers are is in the snapshot, and a copy has others.
  config->software.seed.reset();
  return config;
}

}  // namespace firn
