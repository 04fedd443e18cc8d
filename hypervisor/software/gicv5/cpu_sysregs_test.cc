// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Group CPU_SYSREGS: gicv5-reference 1.8, row by row.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using kvm::kVgicGrpCpuSysregs;

// Encodings as the reference prints them, not as the model computes them.
struct Row {
  const char* name;
  uint16_t instr;
  uint64_t initial;
  uint64_t written;
  uint64_t read_back;
};

std::vector<Row> Rows() {
  constexpr uint64_t kOnes = ~uint64_t{0};
  std::vector<Row> rows = {
      {"ICSR", 0xc654, 0, 0x0123456789abcdef, 0x0123456789abcdef},
      {"PPI_ENABLER0", 0xc656, 0, 0xf0f0f0f0f0f0f0f0, 0xf0f0f0f0f0f0f0f0},
      {"PPI_ENABLER1", 0xc657, 0, kOnes, 0},
      {"PPI_SACTIVER0", 0xc66a, 0, 0x123456789abcdef0, 0x123456789abcdef0},
      {"PPI_SACTIVER1", 0xc66b, 0, kOnes, 0},
      {"PPI_SPENDR0", 0xc66e, 0, 0x8000000000000008, 0x8000000000000008},
      {"PPI_SPENDR1", 0xc66f, 0, kOnes, 0},
      {"APR", 0xce00, 0, 0xaaaaaaaa55555555, 0x55555555},
      {"CR0", 0xce01, 6, kOnes, 7},
      {"PCR", 0xce02, 0, 0xff, 0x1f},
  };
  static constexpr const char* kNames[16] = {
      "PPI_PRIORITYR0",  "PPI_PRIORITYR1",  "PPI_PRIORITYR2",  "PPI_PRIORITYR3",
      "PPI_PRIORITYR4",  "PPI_PRIORITYR5",  "PPI_PRIORITYR6",  "PPI_PRIORITYR7",
      "PPI_PRIORITYR8",  "PPI_PRIORITYR9",  "PPI_PRIORITYR10", "PPI_PRIORITYR11",
      "PPI_PRIORITYR12", "PPI_PRIORITYR13", "PPI_PRIORITYR14", "PPI_PRIORITYR15"};
  for (uint16_t n = 0; n < 16; ++n) {
    rows.push_back({kNames[n], static_cast<uint16_t>(0xc670 + n), 0, 0xff80604020100801,
                    n < 8 ? uint64_t{0x1f00000000100801} : 0});
  }
  return rows;
}

class CpuSysregTest : public testing::TestWithParam<Row> {
 protected:
  CpuSysregTest() { vm_.Init(); }
  TestVm vm_{{.vcpu_ids = {0, 17}}};
};
INSTANTIATE_TEST_SUITE_P(Registers, CpuSysregTest, testing::ValuesIn(Rows()),
                         [](const auto& info) { return info.param.name; });

TEST_P(CpuSysregTest, HasGetSet) {
  const Row& row = GetParam();
  // vCPU 17 is Aff1 1, Aff0 1.
  const uint64_t attr = 0x0000010100000000 | row.instr;
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, attr), 0);
  uint64_t value = 0x5555;
  ASSERT_EQ(vm_.Get(kVgicGrpCpuSysregs, attr, &value), 0);
  EXPECT_EQ(value, row.initial);
  ASSERT_EQ(vm_.Set(kVgicGrpCpuSysregs, attr, &row.written), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpCpuSysregs, attr, &value), 0);
  EXPECT_EQ(value, row.read_back);
  // Raw assignment: zeros clear.
  const uint64_t zero = 0;
  ASSERT_EQ(vm_.Set(kVgicGrpCpuSysregs, attr, &zero), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpCpuSysregs, attr, &value), 0);
  EXPECT_EQ(value, row.initial);
  // The other vCPU kept its own.
  ASSERT_EQ(vm_.Get(kVgicGrpCpuSysregs, row.instr, &value), 0);
  EXPECT_EQ(value, row.initial);
}

TEST(CpuSysregsTest, ThereAre26) {
  EXPECT_EQ(Rows().size(), 26u);
  EXPECT_EQ(CpuSysregs().size(), 26u);
}

class CpuSysregsErrnoTest : public testing::TestWithParam<Dialect> {
 protected:
  TestVm vm_{{.dialect = GetParam()}};
  uint64_t value_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Dialects, CpuSysregsErrnoTest, testing::ValuesIn(kIrsDialects),
                         [](const auto& info) { return DialectName(info.param); });

TEST_P(CpuSysregsErrnoTest, UnknownMpidrIsEinvalFirst) {
  for (uint64_t affinity : {uint64_t{1}, uint64_t{0x100}, uint64_t{0x01000000}}) {
    const uint64_t attr = affinity << 32 | kIccCr0.packed();
    EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, attr), EINVAL);
    EXPECT_EQ(vm_.Get(kVgicGrpCpuSysregs, attr, &value_), EINVAL);
    EXPECT_EQ(vm_.SetAt(kVgicGrpCpuSysregs, attr, 0), EINVAL);
  }
}

TEST_P(CpuSysregsErrnoTest, BeforeInitHasWorksGetAndSetAreEbusy) {
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, kIccCr0.packed()), 0);
  EXPECT_EQ(vm_.GetCpu(0, kIccCr0, &value_), EBUSY);
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 0), EBUSY);
}

TEST_P(CpuSysregsErrnoTest, WhileAVcpuRunsGetAndSetAreEbusy) {
  vm_.Init();
  vm_.machine().running = true;
  EXPECT_EQ(vm_.GetCpu(0, kIccCr0, &value_), EBUSY);
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 0), EBUSY);
}

TEST_P(CpuSysregsErrnoTest, AfterARunGetWorksAndSetIsEbusy) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.GetCpu(0, kIccCr0, &value_), 0);
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 0), EBUSY);
}

TEST_P(CpuSysregsErrnoTest, UnknownRegisterHasEnxioGetAndSetEnoent) {
  vm_.Init();
  // ICC_CTLR_EL1 of GICv3, and what the group leaves out.
  for (SystemRegister reg :
       {SystemRegister{3, 0, 12, 12, 4}, kIccPpiCactiver0, kIccPpiCpendr0, kIccPpiHmr0, kIccIdr0,
        kIccHppir, kIccIaffidr, kIccHapr, SystemRegister{3, 0, 0, 0, 5}}) {
    EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, reg.packed()), ENXIO) << reg.packed();
    EXPECT_EQ(vm_.GetCpu(0, reg, &value_), ENOENT) << reg.packed();
    EXPECT_EQ(vm_.SetCpu(0, reg, 0), ENOENT) << reg.packed();
  }
}

TEST_P(CpuSysregsErrnoTest, BadPointerIsEfault) {
  vm_.Init();
  EXPECT_EQ(vm_.GetAt(kVgicGrpCpuSysregs, kIccCr0.packed(), 0), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpCpuSysregs, kIccCr0.packed(), 1), EFAULT);
}

TEST(CpuSysregsTest, FirstRunHidesPpisThatHaveNoSource) {
  TestVm vm;
  vm.Init();
  const uint64_t visible = uint64_t{1} << 3 | uint64_t{1} << 27 | uint64_t{1} << 30;
  for (SystemRegister reg : {kIccPpiEnabler0, kIccPpiSactiver0, kIccPpiSpendr0}) {
    ASSERT_EQ(vm.SetCpu(0, reg, ~uint64_t{0}), 0);
    EXPECT_EQ(vm.Cpu(0, reg), ~uint64_t{0});
  }
  vm.Start();
  for (SystemRegister reg : {kIccPpiEnabler0, kIccPpiSactiver0, kIccPpiSpendr0}) {
    EXPECT_EQ(vm.Cpu(0, reg), visible);
  }
}

TEST(CpuSysregsTest, RestoredPendingLevelPpiIsItsLine) {
  TestVm vm;
  vm.Init();
  const uint64_t timer = uint64_t{1} << 27;
  ASSERT_EQ(vm.SetCpu(0, kIccPpiEnabler0, timer), 0);
  ASSERT_EQ(vm.SetCpu(0, kIccPpiSpendr0, timer), 0);
  ASSERT_EQ(vm.SetCpu(0, kIccPcr, 0x1f), 0);
  ASSERT_EQ(vm.SetCpu(0, kIccCr0, 1), 0);
  vm.Start();
  EXPECT_TRUE(vm.gic().IrqAsserted(0));
  vm.gic().SetPpiLine(0, 27, false);
  EXPECT_FALSE(vm.gic().IrqAsserted(0));
}

}  // namespace
}  // namespace firn::software::gicv5
