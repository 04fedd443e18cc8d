// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/test_vm.h"

#include <cstring>

#include "absl/log/check.h"
#include "hypervisor/errno_status.h"

namespace firn::software::gicv5 {
namespace {

int Errno(const absl::Status& status) {
  const int error_number = GetErrno(status);
  CHECK(status.ok() || error_number != 0) << "an error without errno: " << status;
  return error_number;
}

uint64_t Address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

HostLimits LimitsOf(const TestVmOptions& options) {
  HostLimits limits = options.limits;
  limits.dialect = options.dialect;
  return limits;
}

}  // namespace

std::string DialectName(Dialect dialect) {
  switch (dialect) {
    case Dialect::kPpiOnly:
      return "PpiOnly";
    case Dialect::kSeriesV1:
      return "SeriesV1";
    case Dialect::kSeriesV2:
      return "SeriesV2";
    case Dialect::kMerged:
      return "Merged";
  }
  return "";
}

std::vector<SystemRegister> CpuSysregs() {
  std::vector<SystemRegister> registers = {
      kIccIcsr,       kIccPpiEnabler0, kIccPpiEnabler1, kIccPpiSactiver0, kIccPpiSactiver1,
      kIccPpiSpendr0, kIccPpiSpendr1,  kIccApr,         kIccCr0,          kIccPcr};
  for (unsigned n = 0; n < 16; ++n) registers.push_back(IccPpiPriorityr(n));
  return registers;
}

TestVm::TestVm(const TestVmOptions& options)
    : options_(options), gic_(Vgicv5::Create(LimitsOf(options), &machine_)) {
  for (uint32_t i = 0; i < options_.vcpu_ids.size(); ++i) {
    CHECK_OK(gic_->AddVcpu(i, options_.vcpu_ids[i]));
  }
}

TestVm& TestVm::Init() {
  if (options_.dialect != Dialect::kPpiOnly) {
    if (options_.nr_spis != 0) CHECK_EQ(SetNrIrqs(options_.nr_spis), 0);
    CHECK_EQ(SetAddr(kTestIrsBase.value), 0);
  }
  CHECK_EQ(SetInit(), 0);
  return *this;
}

TestVm& TestVm::Start() {
  CHECK_EQ(Run(), 0);
  return *this;
}

int TestVm::Has(uint32_t group, uint64_t attr) { return Errno(gic_->HasAttr(group, attr)); }
int TestVm::Get(uint32_t group, uint64_t attr, void* to) { return GetAt(group, attr, Address(to)); }
int TestVm::Set(uint32_t group, uint64_t attr, const void* from) {
  return SetAt(group, attr, Address(from));
}
int TestVm::GetAt(uint32_t group, uint64_t attr, uint64_t addr) {
  return Errno(gic_->GetAttr(group, attr, addr));
}
int TestVm::SetAt(uint32_t group, uint64_t attr, uint64_t addr) {
  return Errno(gic_->SetAttr(group, attr, addr));
}
int TestVm::SetInit() { return SetAt(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, 0); }
int TestVm::SetAddr(uint64_t address) {
  return Set(kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs, &address);
}
int TestVm::SetNrIrqs(uint32_t spis) { return Set(kvm::kVgicGrpNrIrqs, 0, &spis); }
int TestVm::GetIrs(uint64_t offset, uint64_t* value) {
  return Get(kvm::kVgicGrpIrsRegs, offset, value);
}
int TestVm::SetIrs(uint64_t offset, uint64_t value) {
  return Set(kvm::kVgicGrpIrsRegs, offset, &value);
}
int TestVm::GetCpu(uint32_t vcpu_id, SystemRegister reg, uint64_t* value) {
  return Get(kvm::kVgicGrpCpuSysregs, MpidrAffinity(vcpu_id) << 32 | reg.packed(), value);
}
int TestVm::SetCpu(uint32_t vcpu_id, SystemRegister reg, uint64_t value) {
  return Set(kvm::kVgicGrpCpuSysregs, MpidrAffinity(vcpu_id) << 32 | reg.packed(), &value);
}
int TestVm::Run(uint32_t index) {
  const int error_number = Errno(gic_->PrepareRun(index));
  if (error_number == 0) machine_.has_run = true;
  return error_number;
}
int TestVm::IrqLine(kvm::IrqType type, uint32_t number, bool level, uint32_t vcpu) {
  return Errno(gic_->IrqLine(kvm::IrqLineNumber(type, number, vcpu), level));
}
int TestVm::SpiLine(uint32_t spi, bool level) { return Errno(gic_->SpiLine(spi, level)); }

int TestVm::SaveIst(SavedIst* ist) {
  ist->spis.assign(options_.nr_spis != 0 ? options_.nr_spis : 32, 0xdeadbeef);
  ist->lpis.clear();
  if (options_.dialect != Dialect::kMerged) return Get(kvm::kVgicGrpIst, 0, ist->spis.data());
  uint64_t cfgr = 0, baser = 0;
  CHECK_EQ(GetIrs(0x190, &cfgr), 0);
  CHECK_EQ(GetIrs(0x180, &baser), 0);
  if (baser & 1) ist->lpis.assign(size_t{1} << (cfgr & 0x1f), 0xdeadbeef);
  const kvm::VgicV5Ist descriptor = {
      .spi_ist_addr = Address(ist->spis.data()),
      .spi_ist_size = ist->spis.size() * 4,
      .lpi_ist_addr = ist->lpis.empty() ? 0 : Address(ist->lpis.data()),
      .lpi_ist_size = ist->lpis.size() * 4};
  return Get(kvm::kVgicGrpIst, 0, const_cast<kvm::VgicV5Ist*>(&descriptor));
}

int TestVm::RestoreIst(const SavedIst& ist) {
  if (options_.dialect != Dialect::kMerged) return Set(kvm::kVgicGrpIst, 0, ist.spis.data());
  const kvm::VgicV5Ist descriptor = {
      .spi_ist_addr = Address(ist.spis.data()),
      .spi_ist_size = ist.spis.size() * 4,
      .lpi_ist_addr = ist.lpis.empty() ? 0 : Address(ist.lpis.data()),
      .lpi_ist_size = ist.lpis.size() * 4};
  return Set(kvm::kVgicGrpIst, 0, &descriptor);
}

uint64_t TestVm::Irs(uint64_t offset) {
  uint64_t value = 0;
  CHECK_EQ(GetIrs(offset, &value), 0) << "IRS_REGS offset " << offset;
  return value;
}

uint64_t TestVm::Cpu(uint32_t vcpu_id, SystemRegister reg) {
  uint64_t value = 0;
  CHECK_EQ(GetCpu(vcpu_id, reg, &value), 0) << "CPU_SYSREGS " << reg.packed();
  return value;
}

uint64_t TestVm::Mrs(SystemRegister reg, uint32_t index) {
  uint64_t value = 0;
  CHECK(gic_->ReadRegister(index, reg, &value)) << "MRS of " << reg.packed() << " is UNDEFINED";
  return value;
}
void TestVm::Msr(SystemRegister reg, uint64_t value, uint32_t index) {
  CHECK(gic_->WriteRegister(index, reg, value)) << "MSR of " << reg.packed() << " is UNDEFINED";
}
void TestVm::Sys(SystemRegister instruction, uint64_t operand, uint32_t index) {
  CHECK(gic_->ExecuteSys(index, instruction, operand)) << instruction.packed();
}
uint64_t TestVm::Cdia(uint32_t index, bool nmi_enabled) {
  uint64_t result = 0;
  CHECK(gic_->ExecuteSysl(index, kGicrCdia, nmi_enabled, &result));
  return result;
}
uint64_t TestVm::Cdnmia(uint32_t index, bool nmi_enabled) {
  uint64_t result = 0;
  CHECK(gic_->ExecuteSysl(index, kGicrCdnmia, nmi_enabled, &result));
  return result;
}

void TestVm::Priority(uint64_t intid, uint8_t priority, uint32_t index) {
  Sys(kGicCdpri, intid | uint64_t{priority} << 35, index);
}
void TestVm::Affinity(uint64_t intid, uint16_t iaffid, uint32_t index) {
  Sys(kGicCdaff, intid | uint64_t{iaffid} << 32, index);
}
void TestVm::Pend(uint64_t intid, bool pending, uint32_t index) {
  Sys(kGicCdpend, intid | uint64_t{pending} << 32, index);
}
uint64_t TestVm::Config(uint64_t intid, uint32_t index) {
  Sys(kGicCdrcfg, intid, index);
  return Mrs(kIccIcsr, index);
}

uint32_t TestVm::Read32(uint64_t offset) {
  uint32_t value = 0xdeadbeef;
  CHECK(gic_->MmioRead(GuestAddress(kTestIrsBase.value + offset),
                       absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(value))));
  return value;
}
uint64_t TestVm::Read64(uint64_t offset) {
  uint64_t value = 0xdeadbeef;
  CHECK(gic_->MmioRead(GuestAddress(kTestIrsBase.value + offset),
                       absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(value))));
  return value;
}
void TestVm::Write32(uint64_t offset, uint32_t value) {
  CHECK(gic_->MmioWrite(
      GuestAddress(kTestIrsBase.value + offset),
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&value), sizeof(value))));
}
void TestVm::Write64(uint64_t offset, uint64_t value) {
  CHECK(gic_->MmioWrite(
      GuestAddress(kTestIrsBase.value + offset),
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&value), sizeof(value))));
}

void TestVm::EnableCpus() {
  for (uint32_t i = 0; i < options_.vcpu_ids.size(); ++i) {
    Msr(kIccPcr, 0x1f, i);
    Msr(kIccCr0, 1, i);
  }
}

void TestVm::SetTrigger(uint32_t spi, bool level) {
  Write32(0x108, spi);
  Write32(0x114, level ? 1 : 0);
}

void TestVm::EnableLpis(uint32_t id_bits) {
  Write32(0x190, id_bits);
  Write64(0x180, kTestIst.value | 1);
}

void TestVm::SetUp(uint64_t intid, uint8_t priority, uint16_t iaffid) {
  Priority(intid, priority);
  Affinity(intid, iaffid);
  Enable(intid);
}

}  // namespace firn::software::gicv5
