// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS: ICC_* of a vCPU named by its MPIDR (gicv5-reference 1.8).
#include "hypervisor/register_id.h"
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/user_memory.h"

namespace firn::software::gicv5 {
namespace {

constexpr std::string_view kGroup = "GRP_CPU_SYSREGS";

SystemRegister RegisterOf(uint64_t attr) { return SystemRegister::Unpack(attr & 0xffff); }

absl::Status NoSuchVcpu(uint64_t attr) {
  return ErrnoStatus(
      EINVAL, absl::StrCat(kGroup, ": no vCPU has MPIDR affinity 0x", absl::Hex(attr >> 32)));
}

class CpuSysregsGroup : public AttributeGroup {
 public:
  explicit CpuSysregsGroup(VgicState* state) : state_(state) {}

  absl::Status Has(uint64_t attr) override {
    if (VcpuOf(attr) == nullptr) return NoSuchVcpu(attr);
    return CpuInterface::IsUserRegister(RegisterOf(attr)) ? absl::OkStatus()
                                                          : NoSuchAttribute(kGroup, attr);
  }

  absl::Status Get(uint64_t attr, uint64_t addr) override {
    CpuInterface* const cpu = VcpuOf(attr);
    if (absl::Status status = Check(attr, cpu, false); !status.ok()) return status;
    uint64_t value = 0;
    cpu->UserRead(RegisterOf(attr), &value);
    return PutUser(addr, value, kGroup);
  }

  absl::Status Set(uint64_t attr, uint64_t addr) override {
    CpuInterface* const cpu = VcpuOf(attr);
    if (absl::Status status = Check(attr, cpu, true); !status.ok()) return status;
    const absl::StatusOr<uint64_t> value = GetUser<uint64_t>(addr, kGroup);
    if (!value.ok()) return value.status();
    cpu->UserWrite(RegisterOf(attr), *value);
    return absl::OkStatus();
  }

 private:
  CpuInterface* VcpuOf(uint64_t attr) const {
    for (const auto& cpu : state_->cpus) {
      if (MpidrAffinity(cpu->iaffid()) == attr >> 32) return cpu.get();
    }
    return nullptr;
  }

  absl::Status Check(uint64_t attr, const CpuInterface* cpu, bool set) const {
    if (cpu == nullptr) return NoSuchVcpu(attr);
    absl::Status status = state_->CheckStopped(kGroup);
    if (status.ok()) status = state_->CheckInitialised(kGroup);
    if (status.ok() && set) status = state_->CheckNeverRun(kGroup);
    if (status.ok() && !CpuInterface::IsUserRegister(RegisterOf(attr))) {
      // HAS gives ENXIO here, and so does KVM's document; its code gives this.
      status = ErrnoStatus(ENOENT, absl::StrCat(kGroup, " attribute 0x", absl::Hex(attr)));
    }
    return status;
  }

  VgicState* state_;
};

}  // namespace

std::unique_ptr<AttributeGroup> MakeCpuSysregsGroup(VgicState* state) {
  return std::make_unique<CpuSysregsGroup>(state);
}

}  // namespace firn::software::gicv5
