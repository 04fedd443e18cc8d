// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/vm_control.h"

#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "vmm/base/version.h"
#include "vmm/config/config_to_json.h"

namespace firn {
namespace {

using Json = nlohmann::ordered_json;

absl::Status NoMachine() {
  return absl::FailedPreconditionError("the virtual machine is not started");
}

}  // namespace

void VmControl::Handle(const api::Request& request, Done done) {
  done(std::visit([this](const auto& typed) { return Answer(typed); }, request));
}

absl::StatusOr<std::string> VmControl::Answer(const api::GetInstanceInfo&) const {
  const char* const state = machine_ == nullptr     ? "Not started"
                            : machine_->is_paused() ? "Paused"
                                                    : "Running";
  // Firecracker's id where none is given.
  return Json{{"id", "anonymous-instance"},
              {"state", state},
              {"vmm_version", kVersion},
              {"app_name", "firn"}}
      .dump();
}

absl::StatusOr<std::string> VmControl::Answer(const api::GetVersion&) const {
  // The key is Firecracker's, the version is firn's.
  return Json{{"firecracker_version", kVersion}}.dump();
}

absl::StatusOr<std::string> VmControl::Answer(const api::GetVmConfig&) const {
  return ConfigToJson(config_);
}

absl::StatusOr<std::string> VmControl::Answer(const api::GetMachineConfig&) const {
  return MachineConfigToJson(config_.machine);
}

absl::StatusOr<std::string> VmControl::Answer(const api::SetVmState& request) {
  if (machine_ == nullptr) return NoMachine();
  if (request.is_paused) {
    absl::Status status = machine_->Pause();
    if (!status.ok()) return status;
  } else {
    absl::Status status = machine_->Resume();
    if (!status.ok()) return status;
  }
  return "";
}

absl::StatusOr<std::string> VmControl::Answer(const api::CreateSnapshot& request) {
  if (machine_ == nullptr) return NoMachine();
  SaveRequest save;
  save.paths = {request.snapshot_path, request.mem_file_path};
  save.incremental = request.type == api::CreateSnapshot::Type::kDiff;
  const absl::StatusOr<SavedSnapshot> saved = machine_->Save(save);
  if (!saved.ok()) return saved.status();
  return "";
}

absl::StatusOr<std::string> VmControl::Answer(const api::LoadSnapshot& request) {
  if (machine_ != nullptr || load_ == nullptr) {
    return absl::FailedPreconditionError(
        "a virtual machine is there already: load into a process without one, that is firn run "
        "--api-sock without --kernel, or use firn restore");
  }
  absl::Status status = load_(request);
  if (!status.ok()) return status;
  return "";
}

}  // namespace firn
