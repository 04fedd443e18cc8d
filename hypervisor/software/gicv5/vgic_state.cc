// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/vgic_state.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn::software::gicv5 {
namespace {

std::set<uint32_t> Ids(absl::Span<CpuInterface* const> cpus) {
  std::set<uint32_t> ids;
  for (const CpuInterface* cpu : cpus) ids.insert(cpu->iaffid());
  return ids;
}

IrsVm Describe(absl::Span<CpuInterface* const> cpus, uint32_t spi_count) {
  IrsVm vm = {.vcpus = static_cast<uint32_t>(cpus.size()), .highest_vcpu_id = 0, .spis = spi_count};
  for (const CpuInterface* cpu : cpus) {
    vm.highest_vcpu_id = std::max<uint32_t>(vm.highest_vcpu_id, cpu->iaffid());
  }
  return vm;
}

absl::Status Busy(std::string_view call, std::string_view why) {
  return ErrnoStatus(EBUSY, absl::StrCat(call, ": ", why));
}

}  // namespace

VirtualIrs::VirtualIrs(const HostLimits& limits, const DialectRules& rules,
                       absl::Span<CpuInterface* const> cpus, uint32_t spi_count,
                       const int* allocation_errno)
    : ids(limits, rules, Describe(cpus, spi_count)),
      irs(spi_count, limits.priority_bits, cpus),
      lines(&irs),
      ist(rules, &ids, &irs, allocation_errno),
      frame(rules, Ids(cpus), &ids, &irs, &lines, &ist) {}

VgicState::VgicState(const HostLimits& host_limits, Machine* vm)
    : limits(host_limits), rules(RulesOf(host_limits.dialect)), machine(vm) {}

absl::Status VgicState::AddVcpu(uint32_t vcpu_id) {
  constexpr std::string_view kCall = "KVM_CREATE_VCPU";
  if (initialised) return Busy(kCall, "the VGICv5 is initialised; create every vCPU before");
  const uint32_t limit = std::min(limits.max_vpes, kMaxVpes);
  if (cpus.size() >= limit || (rules.vcpu_id_limit && vcpu_id >= limit) || vcpu_id > 0xffff) {
    return ErrnoStatus(EINVAL, absl::StrCat(kCall, "(", vcpu_id, "): the VGICv5 takes ids below ",
                                            limit, " and as many vCPUs"));
  }
  for (const auto& cpu : cpus) {
    if (cpu->iaffid() == vcpu_id)
      return ErrnoStatus(EEXIST, absl::StrCat(kCall, "(", vcpu_id, ")"));
  }
  cpus.push_back(std::make_unique<CpuInterface>(
      static_cast<uint16_t>(vcpu_id), limits.priority_bits, limits.device_ppis | kUserspacePpis));
  return absl::OkStatus();
}

absl::Status VgicState::Init() {
  if (initialised) return absl::OkStatus();
  if (cpus.empty()) {
    return ErrnoStatus(ENODEV, "CTRL_INIT: the VM has no vCPU; create every vCPU before");
  }
  if (rules.has_irs) {
    nr_spis = std::max(nr_spis, kMinSpis);
    std::vector<CpuInterface*> interfaces;
    for (const auto& cpu : cpus) interfaces.push_back(cpu.get());
    virtual_irs =
        std::make_unique<VirtualIrs>(limits, rules, interfaces, nr_spis, &allocation_errno);
  }
  initialised = true;
  return absl::OkStatus();
}

absl::Status VgicState::CheckStopped(std::string_view call) const {
  if (!machine->AnyVcpuRunning()) return absl::OkStatus();
  return Busy(call, "a vCPU is in KVM_RUN; kick every vCPU out first");
}

absl::Status VgicState::CheckInitialised(std::string_view call) const {
  if (initialised) return absl::OkStatus();
  return Busy(call, "the VGICv5 is not initialised; set CTRL_INIT first");
}

absl::Status VgicState::CheckNeverRun(std::string_view call) const {
  if (!machine->AnyVcpuHasRun()) return absl::OkStatus();
  return Busy(call, "a vCPU has run since the VM was created; restore into a new VM");
}

InstructionContext VgicState::Context(uint32_t index) const {
  return {.cpu = cpus[index].get(),
          .irs = virtual_irs ? &virtual_irs->irs : nullptr,
          .lines = virtual_irs ? &virtual_irs->lines : nullptr};
}

}  // namespace firn::software::gicv5
