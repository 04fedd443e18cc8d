// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// How user space tells the dialects apart (gicv5-reference 1.5), what a fake KVM must have (8.3),
// and how series and merged dialect differ (8.4), row by row.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/software/gicv5/test_snapshot.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using kvm::kVgicGrpAddr;
using kvm::kVgicGrpIrsRegs;
using kvm::kVgicGrpIst;

std::string Name(const testing::TestParamInfo<Dialect>& info) { return DialectName(info.param); }

// --- 1.5
// -------------------------------------------------------------------------------------------

enum class Detected { kA, kB, kC };

Detected Probe(TestVm& vm) {
  if (vm.Has(kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs) == ENXIO) return Detected::kA;  // step 3
  return vm.Has(kVgicGrpIrsRegs, 0) == ENXIO ? Detected::kB : Detected::kC;         // step 4
}

class ProbeTest : public testing::TestWithParam<Dialect> {
 protected:
  Detected Expected() const {
    if (GetParam() == Dialect::kPpiOnly) return Detected::kA;
    return GetParam() == Dialect::kMerged ? Detected::kC : Detected::kB;
  }
  TestVm vm_{{.dialect = GetParam(), .nr_spis = 1024}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, ProbeTest, testing::ValuesIn(kAllDialects), Name);

TEST_P(ProbeTest, Steps3And4TellTheDialect) { EXPECT_EQ(Probe(vm_), Expected()); }

TEST_P(ProbeTest, Step5IstExists) {
  EXPECT_EQ(vm_.Has(kVgicGrpIst, 0), Expected() == Detected::kA ? ENXIO : 0);
}

TEST_P(ProbeTest, Step6ZeroedBufferConfirms) {
  vm_.Init();
  std::vector<uint32_t> buffer(1025);
  buffer.back() = 0x5a5a5a5a;
  const int error = vm_.Get(kVgicGrpIst, 0, buffer.data());
  switch (Expected()) {
    case Detected::kA:
      EXPECT_EQ(error, ENXIO);
      break;
    case Detected::kB:
      EXPECT_EQ(error, 0);
      break;
    case Detected::kC:
      EXPECT_EQ(error, EINVAL);
      break;
  }
  EXPECT_EQ(buffer.back(), 0x5a5a5a5au);  // nothing behind nr_spis entries
}

// --- 8.3
// -------------------------------------------------------------------------------------------

class StateMachineTest : public testing::TestWithParam<Dialect> {
 protected:
  TestVm vm_{{.dialect = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, StateMachineTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(StateMachineTest, CreatedAddressedInitialisedRan) {
  uint64_t value = 0;
  EXPECT_EQ(vm_.GetCpu(0, kIccCr0, &value), EBUSY);
  ASSERT_EQ(vm_.SetAddr(kTestIrsBase.value), 0);
  EXPECT_EQ(vm_.GetIrs(0, &value), EBUSY);
  ASSERT_EQ(vm_.SetInit(), 0);
  EXPECT_EQ(vm_.GetIrs(0, &value), 0);
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 1), 0);
  ASSERT_EQ(vm_.Run(), 0);
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 1), EBUSY);
  EXPECT_FALSE(vm_.machine().dead);
}

TEST_P(StateMachineTest, EveryVcpuMayRunAgainAndAgain) {
  vm_.Init();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(vm_.Run(), 0);
}

TEST_P(StateMachineTest, GuestAndUserSpaceSeeOneRegisterStore) {
  vm_.Init();
  ASSERT_EQ(vm_.SetIrs(0x084, 0xf5d7), 0);
  vm_.Start();
  EXPECT_EQ(vm_.Read32(0x084), 0xf5d7u);
  vm_.Write32(0x084, 0x11);
  EXPECT_EQ(vm_.Irs(0x084), 0x11u);
  vm_.Msr(kIccPcr, 0x0c);
  EXPECT_EQ(vm_.Cpu(0, kIccPcr), 0x0cu);
}

// --- 8.4
// -------------------------------------------------------------------------------------------

class DifferenceTest : public testing::TestWithParam<Dialect> {
 protected:
  bool merged() const { return GetParam() == Dialect::kMerged; }
  bool v1() const { return GetParam() == Dialect::kSeriesV1; }
  TestVm vm_{{.dialect = GetParam()}};
  uint64_t value_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Dialects, DifferenceTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(DifferenceTest, IstAddrIsFlatOrDescriptor) {
  vm_.Init();
  std::vector<uint32_t> flat(32);
  EXPECT_EQ(vm_.Set(kVgicGrpIst, 0, flat.data()), merged() ? EINVAL : 0);
}

TEST_P(DifferenceTest, LpiDataIsInABufferOrInGuestMemory) {
  vm_.Init().Start();
  vm_.EnableLpis(10);
  vm_.SetUp(Lpi(0), 1);
  SavedIst ist;
  ASSERT_EQ(vm_.SaveIst(&ist), 0);
  EXPECT_EQ(ist.lpis.size(), merged() ? 1024u : 0u);
  EXPECT_EQ(vm_.machine().ram[0] != std::byte{0}, !merged());
  EXPECT_EQ(vm_.machine().dirty.empty(), merged());
}

TEST_P(DifferenceTest, AllocationIsAtBaserOrAtIstSet) {
  vm_.Init();
  vm_.gic().InjectAllocationFailure(ENOMEM);
  ASSERT_EQ(vm_.SetIrs(0x190, 10), 0);
  ASSERT_EQ(vm_.SetIrs(0x180, kTestIst.value | 1), 0);
  EXPECT_EQ(vm_.Irs(0x180) & 1, v1() ? 0u : 1u);
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  if (merged()) ist.lpis.resize(1024);
  EXPECT_EQ(vm_.RestoreIst(ist), v1() ? 0 : ENOMEM);
}

TEST_P(DifferenceTest, ImmutabilityOfBaserAndCfgr) {
  vm_.Init();
  ASSERT_EQ(vm_.SetIrs(0x190, 10), 0);
  ASSERT_EQ(vm_.SetIrs(0x180, kTestIst.value | 1), 0);
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  if (merged()) ist.lpis.resize(1024);
  ASSERT_EQ(vm_.RestoreIst(ist), 0);
  EXPECT_EQ(vm_.SetIrs(0x190, 11), merged() ? EINVAL : 0);
}

TEST_P(DifferenceTest, RestoreGuardOnRun) {
  vm_.Init();
  ASSERT_EQ(vm_.SetIrs(0x190, 10), 0);
  ASSERT_EQ(vm_.SetIrs(0x180, kTestIst.value | 1), 0);
  EXPECT_EQ(vm_.Run(), merged() ? EINVAL : 0);
}

TEST_P(DifferenceTest, IrsRegsSetAfterRun) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.SetIrs(0x140, 0), merged() ? EBUSY : 0);
}

TEST_P(DifferenceTest, IrsRegsHasBeforeAddr) {
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0x080), merged() ? 0 : ENXIO);
}

TEST_P(DifferenceTest, GuestHalvesOf64BitRegisters) {
  vm_.Init().Start();
  vm_.Write32(0x180, 0x40000000);
  EXPECT_EQ(vm_.Read64(0x180), merged() ? 0x40000000u : 0u);
}

TEST_P(DifferenceTest, IdrValidation) {
  vm_.Init();
  EXPECT_EQ(vm_.SetIrs(0x000, vm_.Irs(0x000) | 1 << 9), merged() ? EINVAL : 0);
  EXPECT_EQ(vm_.SetIrs(0x004, vm_.Irs(0x004) ^ 1 << 16), merged() ? EINVAL : 0);
}

TEST_P(DifferenceTest, IaffidBitsAreThisVmsOrTheHosts) {
  vm_.Init();
  EXPECT_EQ(vm_.Irs(0x004) >> 16 & 0xf, merged() ? 0u : 8u);
}

TEST_P(DifferenceTest, NrIrqsBound) { EXPECT_EQ(vm_.SetNrIrqs(33), merged() ? EINVAL : 0); }

TEST_P(DifferenceTest, VcpuIdLimit) { EXPECT_EQ(vm_.gic().AddVcpu(1, 512).ok(), !merged()); }

TEST_P(DifferenceTest, CpuSysregsListIsTheSame) {
  vm_.Init();
  for (SystemRegister reg : CpuSysregs()) EXPECT_EQ(vm_.GetCpu(0, reg, &value_), 0);
}

// --- 8.1 Pitfalls that no other test has ---------------------------------------------------------

TEST(PitfallTest, P24IstStaysValidUntilTheGuestClearsIt) {
  TestVm vm;
  vm.Init().Start();
  vm.EnableLpis();
  EXPECT_EQ(vm.SetInit(), 0);  // not a reset
  EXPECT_EQ(vm.Read64(0x180) & 1, 1u);
  vm.Write64(0x180, 0);
  EXPECT_EQ(vm.Read64(0x180) & 1, 0u);
}

TEST(PitfallTest, P17HardwareUseBitsMayDifferAfterRestore) {
  TestVm vm;
  vm.Init();
  SavedIst ist{.spis = std::vector<uint32_t>(32, 3u << 9), .lpis = {}};
  ASSERT_EQ(vm.RestoreIst(ist), 0);
  ASSERT_EQ(vm.SaveIst(&ist), 0);
  EXPECT_EQ(ist.spis, std::vector<uint32_t>(32, 0));
}

TEST(PitfallTest, P18PendingOfADisabledInterruptSurvives) {
  TestVm vm;
  vm.Init();
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  ist.spis[4] = 1;
  ASSERT_EQ(vm.RestoreIst(ist), 0);
  vm.Start();
  vm.EnableCpus();
  vm.EnableIrs();
  EXPECT_FALSE(vm.gic().IrqAsserted(0));
  vm.Enable(Spi(4));
  EXPECT_TRUE(vm.gic().IrqAsserted(0));
}

// 7.5: a level SPI that was pending at save stays so, once, where its line is not re-asserted.
TEST(PitfallTest, LevelSpiRestoredPendingIsDeliveredOnce) {
  TestVm vm;
  vm.Init();
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  ist.spis[4] = 0xd;
  ASSERT_EQ(vm.RestoreIst(ist), 0);
  vm.Start();
  vm.EnableCpus();
  vm.EnableIrs();
  ASSERT_EQ(vm.SpiLine(4, false), 0);  // no change of a low line: no event
  EXPECT_EQ(vm.Cdia(), 1ull << 32 | Spi(4));
  vm.Eoi();
  vm.Deactivate(Spi(4));
  EXPECT_FALSE(vm.gic().IrqAsserted(0));
}

TEST(PitfallTest, P31EdgeUntilTheGuestConfigures) {
  TestVm vm;
  vm.Init().Start();
  ASSERT_EQ(vm.SpiLine(4, true), 0);
  ASSERT_EQ(vm.SpiLine(4, false), 0);
  EXPECT_EQ(vm.Config(Spi(4)) >> 2 & 1, 1u);
}

}  // namespace
}  // namespace firn::software::gicv5
