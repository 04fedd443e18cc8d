// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_state.h"

#include <array>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

constexpr size_t kMaximumRegisterSize = 256;

bool IsOfTheVm(uint64_t id) {
  return id == kvm::kTimerCnt || id == kvm::kPtimerCnt || id == kvm::kSveVectorLengths;
}

std::string Name(uint32_t vcpu, uint64_t id) {
  return absl::StrFormat("vCPU %d, register 0x%016x", vcpu, id);
}

absl::Status RestoreRegister(Vcpu& vcpu, const state::VcpuRegister& reg) {
  const size_t size = kvm::RegisterSize(reg.id());
  if (size > kMaximumRegisterSize || reg.value().size() != size || IsOfTheVm(reg.id())) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(vcpu.id(), reg.id()), ": a value of ", reg.value().size(), " bytes"));
  }
  return Annotate(
      vcpu.SetRegister(reg.id(),
                       absl::MakeConstSpan(reinterpret_cast<const std::byte*>(reg.value().data()),
                                           reg.value().size())),
      Name(vcpu.id(), reg.id()));
}

}  // namespace

absl::StatusOr<state::Vcpu> SaveVcpu(Vcpu& vcpu) {
  state::Vcpu state;
  state.set_id(vcpu.id());
  const absl::StatusOr<std::vector<uint64_t>> ids = vcpu.RegisterList();
  if (!ids.ok()) return Annotate(ids.status(), absl::StrCat("vCPU ", vcpu.id()));
  for (const uint64_t id : *ids) {
    if (IsOfTheVm(id)) continue;
    std::array<std::byte, kMaximumRegisterSize> value;
    const size_t size = kvm::RegisterSize(id);
    if (size > value.size()) return absl::InternalError(Name(vcpu.id(), id));
    absl::Status status = vcpu.GetRegister(id, absl::MakeSpan(value).first(size));
    if (!status.ok()) return Annotate(status, Name(vcpu.id(), id));
    state::VcpuRegister& reg = *state.add_registers();
    reg.set_id(id);
    reg.set_value(value.data(), size);
  }
  const absl::StatusOr<kvm::MpState> mp_state = vcpu.GetMpState();
  if (!mp_state.ok()) return Annotate(mp_state.status(), absl::StrCat("vCPU ", vcpu.id()));
  state.set_mp_state(*mp_state);
  const absl::StatusOr<kvm::VcpuEvents> events = vcpu.GetEvents();
  if (!events.ok()) return Annotate(events.status(), absl::StrCat("vCPU ", vcpu.id()));
  state.set_serror_pending(events->serror_pending != 0);
  state.set_serror_has_esr(events->serror_has_esr != 0);
  state.set_serror_esr(events->serror_esr);
  state.set_ext_dabt_pending(events->ext_dabt_pending != 0);
  return state;
}

absl::Status RestoreVcpu(Vcpu& vcpu, const state::Vcpu& state) {
  if (state.id() != vcpu.id()) {
    return absl::InvalidArgumentError(
        absl::StrCat("vCPU ", vcpu.id(), ": the state is of vCPU ", state.id()));
  }
  for (const state::VcpuRegister& reg : state.registers()) {
    if (absl::Status status = RestoreRegister(vcpu, reg); !status.ok()) return status;
  }
  kvm::VcpuEvents events = {};
  events.serror_pending = state.serror_pending() ? 1 : 0;
  events.serror_has_esr = state.serror_has_esr() ? 1 : 0;
  events.serror_esr = state.serror_esr();
  events.ext_dabt_pending = state.ext_dabt_pending() ? 1 : 0;
  absl::Status status = vcpu.SetEvents(events);
  if (status.ok()) status = vcpu.SetMpState(static_cast<kvm::MpState>(state.mp_state()));
  return Annotate(status, absl::StrCat("vCPU ", vcpu.id()));
}

}  // namespace firn
