// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One VM's VGICv5 as its attribute groups and its guest share it: configuration until CTRL_INIT,
// then the parts that CTRL_INIT builds.
// Source: gicv5-reference 1.6, 1.7, 1.12.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_VGIC_STATE_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_VGIC_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/software/gicv5/cpu_interface.h"
#include "hypervisor/software/gicv5/dialect_rules.h"
#include "hypervisor/software/gicv5/instructions.h"
#include "hypervisor/software/gicv5/irs.h"
#include "hypervisor/software/gicv5/irs_frame.h"
#include "hypervisor/software/gicv5/irs_id_registers.h"
#include "hypervisor/software/gicv5/ist_control.h"
#include "hypervisor/software/gicv5/spi_lines.h"
#include "hypervisor/software/gicv5/vgicv5.h"

namespace firn::software::gicv5 {

inline constexpr uint32_t kMinSpis = 32;
inline constexpr uint32_t kMaxSpis = 1024;
inline constexpr uint32_t kMaxVpes = 512;  // KVM's own limit

// The IRS and all that hangs on it, built by CTRL_INIT.
struct VirtualIrs {
  VirtualIrs(const HostLimits& limits, const DialectRules& rules,
             absl::Span<CpuInterface* const> cpus, uint32_t spi_count, const int* allocation_errno);

  IrsIdRegisters ids;
  Irs irs;
  SpiLines lines;
  IstControl ist;
  IrsFrame frame;
};

struct VgicState {
  VgicState(const HostLimits& host_limits, Machine* vm);

  const HostLimits limits;
  const DialectRules rules;
  Machine* const machine;

  std::vector<std::unique_ptr<CpuInterface>> cpus;  // in order of creation
  uint32_t nr_spis = 0;                             // 0: not set
  std::optional<GuestAddress> irs_base;
  bool initialised = false;
  std::unique_ptr<VirtualIrs> virtual_irs;  // null before CTRL_INIT, and without IRS

  // What tests inject; 0: nothing.
  int allocation_errno = 0;
  int quiesce_errno = 0;

  // KVM_CREATE_VCPU's part: EBUSY once initialised, EINVAL above the limit.
  absl::Status AddVcpu(uint32_t vcpu_id);
  // CTRL_INIT: ENODEV without vCPUs; repeated calls succeed.
  absl::Status Init();

  // EBUSY, naming `call` and the remedy: a vCPU is in KVM_RUN; CTRL_INIT is missing; a vCPU has
  // run since the VM was created.
  absl::Status CheckStopped(std::string_view call) const;
  absl::Status CheckInitialised(std::string_view call) const;
  absl::Status CheckNeverRun(std::string_view call) const;

  InstructionContext Context(uint32_t index) const;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_VGIC_STATE_H_
