// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/snapshot_check.h"

#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "devices/virtio/mmio/virtio_mmio_state.pb.h"
#include "hypervisor/errno_status.h"
#include "migration/manifest.pb.h"
#include "migration/section.h"
#include "migration/section_check.h"
#include "vmm/config/config_json.h"
#include "vmm/machine/snapshot_schema.h"

namespace firn {
namespace {

constexpr std::string_view kDevices = "device/";
constexpr uint32_t kMostVcpus = 4096;  // as many as a file has sections

// The state of a device behind its transport, which is bytes there.
absl::Status CheckVirtioDevices(const StateFile& file, const MessageTypes& types) {
  for (const StateSection& section : file.sections) {
    if (!absl::StartsWith(section.name, kDevices) ||
        types.TypeOf(section.name) != "firn.state.VirtioMmio") {
      continue;
    }
    const absl::StatusOr<state::VirtioMmio> transport =
        ParseSection<state::VirtioMmio>(file, section.name);
    if (!transport.ok()) return transport.status();
    const std::string_view message = transport->device_id() == 2   ? "firn.state.Block"
                                     : transport->device_id() == 3 ? "firn.state.Console"
                                                                   : "";
    absl::Status status = CheckMessage(types, message, transport->device());
    if (!status.ok()) {
      return absl::DataLossError(
          absl::StrCat("section ", section.name, ", device ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPresence(const StateFile& file, uint32_t vcpus) {
  const auto missing = [](std::string_view name) {
    return absl::DataLossError(absl::StrCat("the snapshot has no section ", name));
  };
  for (const std::string_view name : {"config", "memory", "gic/tables", "gic/registers"}) {
    if (file.Find(name) == nullptr) return missing(name);
  }
  if (vcpus == 0 || vcpus > kMostVcpus) {
    return absl::DataLossError(absl::StrCat("section manifest: ", vcpus, " vCPUs"));
  }
  for (uint32_t id = 0; id < vcpus; ++id) {
    const std::string name = absl::StrCat("vcpu/", id);
    if (file.Find(name) == nullptr) return missing(name);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSnapshotState(const StateFile& file) {
  const absl::StatusOr<state::Manifest> manifest = ParseSection<state::Manifest>(file, "manifest");
  if (!manifest.ok()) return manifest.status();
  const MessageTypes types(SnapshotSchema(manifest->interrupt_controller()));
  absl::Status status = CheckPresence(file, manifest->vcpus());
  if (status.ok()) status = CheckSections(file, types);
  if (status.ok()) status = CheckVirtioDevices(file, types);
  if (!status.ok()) return status;
  const absl::StatusOr<VmConfig> config = ParseConfig(file.Find("config")->content);
  return config.ok() ? absl::OkStatus() : Annotate(config.status(), "section config");
}

}  // namespace firn
