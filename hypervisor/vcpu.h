// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One virtual CPU, in the shape of KVM's vCPU file descriptor.
#ifndef FIRN_HYPERVISOR_VCPU_H_
#define FIRN_HYPERVISOR_VCPU_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/device.h"
#include "hypervisor/exit.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/kvm_abi.h"

namespace firn {

// Counts that a backend keeps of one vCPU, for `--stats`. Zero where it cannot know.
struct VcpuStats {
  uint64_t instructions = 0;      // executed by the guest (software only)
  uint64_t exits = 0;             // returns from Run
  uint64_t interrupts = 0;        // IRQ exceptions taken (software only)
  uint64_t ppi_acknowledged = 0;  // by interrupt type (software only)
  uint64_t lpi_acknowledged = 0;
  uint64_t spi_acknowledged = 0;
  uint64_t wfi = 0;  // waits for interrupt (software only)
};

// Thread rules: Run is called by one thread at a time, the vCPU's own; Kick and stats by any
// thread; all else while Run is not in progress. A Vcpu dies before its Vm.
class Vcpu : public AttributeTarget {
 public:
  // The id given to Vm::CreateVcpu: MPIDR's and, with GICv5, the IAFFID.
  virtual uint32_t id() const = 0;

  // KVM_ARM_VCPU_INIT: resets the vCPU. Must precede everything below.
  virtual absl::Status Init(const kvm::VcpuInit& init) = 0;
  // KVM_ARM_VCPU_FINALIZE, `feature` a kvm::VcpuFeature.
  virtual absl::Status Finalize(uint32_t feature) = 0;

  // KVM_GET_REG_LIST; KVM_{GET,SET}_ONE_REG. The span's size is kvm::RegisterSize(id), else
  // EINVAL. An unknown id is ENOENT.
  virtual absl::StatusOr<std::vector<uint64_t>> RegisterList() = 0;
  virtual absl::Status GetRegister(uint64_t id, absl::Span<std::byte> value) = 0;
  virtual absl::Status SetRegister(uint64_t id, absl::Span<const std::byte> value) = 0;

  virtual absl::StatusOr<kvm::MpState> GetMpState() = 0;
  virtual absl::Status SetMpState(kvm::MpState state) = 0;
  virtual absl::StatusOr<kvm::VcpuEvents> GetEvents() = 0;
  virtual absl::Status SetEvents(const kvm::VcpuEvents& events) = 0;

  // KVM_PRE_FAULT_MEMORY: maps guest memory before the guest touches it. ENOTTY where the backend
  // or the kernel has none (kCapPreFaultMemory).
  virtual absl::Status PreFaultMemory(const GuestRange& range) = 0;

  // KVM_RUN: executes the guest until it needs something; first completes the MMIO exit that
  // came before. A failure to enter the guest (EBUSY, ENXIO, EINVAL, EIO, ENOEXEC: see
  // gicv5-reference, KVM_RUN) is an error; everything the guest did is an Exit.
  virtual absl::StatusOr<Exit> Run() = 0;

  // Completes a pending MMIO exit without executing the guest (KVM_RUN with immediate_exit).
  virtual absl::Status CompleteExit() = 0;

  // Makes the Run in progress, or else the next one, return KickedExit. Never lost, and
  // several kicks before that return count as one.
  virtual void Kick() = 0;

  virtual VcpuStats stats() const = 0;
};

// 64-bit registers by id.
absl::StatusOr<uint64_t> GetRegisterU64(Vcpu& vcpu, uint64_t id);
absl::Status SetRegisterU64(Vcpu& vcpu, uint64_t id, uint64_t value);

}  // namespace firn

#endif  // FIRN_HYPERVISOR_VCPU_H_
