// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam's Vcpu over one CPU of the machine.
#ifndef FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_VCPU_H_
#define FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_VCPU_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "hypervisor/software/machine.h"
#include "hypervisor/vcpu.h"

namespace firn::software {

class SoftwareVcpu : public Vcpu {
 public:
  SoftwareVcpu(Machine* machine, uint32_t index, uint32_t id)
      : machine_(machine), index_(index), id_(id) {}

  uint32_t id() const override { return id_; }
  absl::Status Init(const kvm::VcpuInit& init) override;
  absl::Status Finalize(uint32_t feature) override;
  absl::StatusOr<std::vector<uint64_t>> RegisterList() override;
  absl::Status GetRegister(uint64_t id, absl::Span<std::byte> value) override;
  absl::Status SetRegister(uint64_t id, absl::Span<const std::byte> value) override;
  absl::StatusOr<kvm::MpState> GetMpState() override;
  absl::Status SetMpState(kvm::MpState state) override;
  absl::StatusOr<kvm::VcpuEvents> GetEvents() override;
  absl::Status SetEvents(const kvm::VcpuEvents& events) override;
  absl::Status PreFaultMemory(const GuestRange& range) override;
  absl::StatusOr<Exit> Run() override;
  absl::Status CompleteExit() override;
  void Kick() override { machine_->Kick(index_); }
  VcpuStats stats() const override;

  absl::Status HasAttr(uint32_t group, uint64_t attr) override;
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override;
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override;

 private:
  absl::Status CheckInitialised(std::string_view call) const;

  Machine* const machine_;
  const uint32_t index_;
  const uint32_t id_;
  bool initialised_ = false;
  // The PPIs of the virtual and the physical timer, as full INTIDs.
  std::array<uint32_t, 2> timer_intid_ = {0x2000001b, 0x2000001e};
  std::atomic<uint64_t> exits_ = 0;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_SOFTWARE_VCPU_H_
