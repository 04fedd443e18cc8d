// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_position.h"

#include "absl/status/statusor.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

constexpr struct {
  std::string_view name;
  uint64_t id;
} kRegisters[] = {
    {"pc", kvm::kCorePc},      {"pstate", kvm::kCorePstate}, {"elr_el1", kvm::kCoreElrEl1},
    {"esr_el1", kvm::kEsrEl1}, {"far_el1", kvm::kFarEl1},
};

}  // namespace

std::vector<NamedRegister> ReadPosition(Vcpu& vcpu) {
  std::vector<NamedRegister> position;
  for (const auto& [name, id] : kRegisters) {
    const absl::StatusOr<uint64_t> value = GetRegisterU64(vcpu, id);
    if (value.ok()) position.push_back({name, *value});
  }
  return position;
}

}  // namespace firn
