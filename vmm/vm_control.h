// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Carries out the requests of the control API on the machine of this process.
#ifndef FIRN_VMM_VM_CONTROL_H_
#define FIRN_VMM_VM_CONTROL_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/api/handler.h"
#include "vmm/config/config.h"
#include "vmm/machine/machine.h"

namespace firn {

// One thread: that of EventLoop::Run, which may do with the machine what it likes.
class VmControl : public api::Handler {
 public:
  // `config` outlives this.
  explicit VmControl(const VmConfig& config) : config_(config) {}

  // The machine, which is started when requests come; null where there is none.
  void SetMachine(Machine* machine) { machine_ = machine; }

  // Carries out PUT /snapshot/load, on the thread of requests: where it succeeds there is a
  // machine. Without it the request is refused.
  void SetLoader(std::function<absl::Status(const api::LoadSnapshot&)> load) {
    load_ = std::move(load);
  }

  void Handle(const api::Request& request, Done done) override;

 private:
  absl::StatusOr<std::string> Answer(const api::GetInstanceInfo&) const;
  absl::StatusOr<std::string> Answer(const api::GetVersion&) const;
  absl::StatusOr<std::string> Answer(const api::GetVmConfig&) const;
  absl::StatusOr<std::string> Answer(const api::GetMachineConfig&) const;
  absl::StatusOr<std::string> Answer(const api::SetVmState& request);
  absl::StatusOr<std::string> Answer(const api::CreateSnapshot& request);
  absl::StatusOr<std::string> Answer(const api::LoadSnapshot& request);

  const VmConfig& config_;
  Machine* machine_ = nullptr;
  std::function<absl::Status(const api::LoadSnapshot&)> load_;
};

}  // namespace firn

#endif  // FIRN_VMM_VM_CONTROL_H_
