// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What the kernel's own selftest of VGICv5 asserts, in its 33 rows (gicv5-reference 8.2), of the
// merged dialect. Details are in the tests beside this one; here the rows are whole.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/gicv5/irs_registers.h"
#include "hypervisor/software/gicv5/test_snapshot.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using namespace kvm;  // NOLINT: the interface under test

constexpr uint64_t kValid = 1ull << 32;

class SelftestTest : public testing::Test {
 protected:
  // A guest's minimum: interface and IRS on.
  static void Boot(TestVm& vm) {
    vm.Init().Start();
    vm.EnableCpus();
    vm.EnableIrs();
  }
  // An SPI that is delivered: enabled, signalled, taken, and gone.
  static void ExpectSpiDelivered(TestVm& vm, uint32_t spi) {
    vm.SetUp(Spi(spi), 0x10);
    ASSERT_EQ(vm.IrqLine(kIrqTypeSpi, spi, true), 0);
    EXPECT_EQ(vm.Cdia(), kValid | Spi(spi));
    vm.Deactivate(Spi(spi));  // the selftest deactivates before it drops
    vm.Eoi();
    EXPECT_FALSE(vm.gic().IrqAsserted(0));
  }
  TestVm vm_;
  uint64_t value_ = 0;
};

// Row 1: the device side of it; type 0 and the second device are the machine's.
TEST_F(SelftestTest, Row01DeviceExistsWithItsGroups) {
  for (uint32_t group : {kVgicGrpNrIrqs, kVgicGrpCtrl, kVgicGrpIst})
    EXPECT_EQ(vm_.Has(group, 0), 0);
}

// Row 2
TEST_F(SelftestTest, Row02Addr) {
  EXPECT_EQ(vm_.Has(kVgicGrpAddr, 6), 0);
  EXPECT_EQ(vm_.Has(kVgicGrpAddr, ~uint64_t{0}), ENXIO);
  ASSERT_EQ(vm_.Get(kVgicGrpAddr, 6, &value_), 0);
  EXPECT_EQ(value_, ~uint64_t{0});
  EXPECT_EQ(vm_.SetAddr(0x1000), EINVAL);
  const uint64_t limit = uint64_t{1} << vm_.machine().ipa_bits;
  EXPECT_EQ(vm_.SetAddr(limit), E2BIG);
  EXPECT_EQ(vm_.SetAddr(limit - 0x10000), E2BIG);
  EXPECT_EQ(vm_.SetAddr(0), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpAddr, 6, &value_), 0);
  EXPECT_EQ(value_, 0u);
  EXPECT_EQ(vm_.SetAddr(0), EEXIST);
}

// Row 3
TEST_F(SelftestTest, Row03RunWithoutAddr) {
  ASSERT_EQ(vm_.SetInit(), 0);
  EXPECT_EQ(vm_.Run(), ENXIO);
}

// Row 4
TEST_F(SelftestTest, Row04BadPointers) {
  EXPECT_EQ(vm_.GetAt(kVgicGrpAddr, 6, 0), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpAddr, 6, 0), EFAULT);
  EXPECT_EQ(vm_.GetAt(kVgicGrpNrIrqs, 0, 0), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpNrIrqs, 0, 0), EFAULT);
}

// Row 5
TEST_F(SelftestTest, Row05NrIrqs) {
  uint32_t spis = 1;
  EXPECT_EQ(vm_.Has(kVgicGrpNrIrqs, 0), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpNrIrqs, 0, &spis), 0);
  EXPECT_EQ(spis, 0u);
  for (uint32_t bad : {31u, 33u, 1056u}) EXPECT_EQ(vm_.SetNrIrqs(bad), EINVAL);
  EXPECT_EQ(vm_.SetNrIrqs(1024), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpNrIrqs, 0, &spis), 0);
  EXPECT_EQ(spis, 1024u);
  EXPECT_EQ(vm_.SetNrIrqs(1024), EBUSY);
  EXPECT_EQ(vm_.SetInit(), 0);
  TestVm by_default;
  by_default.Init();
  ASSERT_EQ(by_default.Get(kVgicGrpNrIrqs, 0, &spis), 0);
  EXPECT_EQ(spis, 32u);
  EXPECT_EQ(by_default.SetNrIrqs(32), EBUSY);
}

// Row 6
TEST_F(SelftestTest, Row06Init) {
  EXPECT_EQ(TestVm({.vcpu_ids = {}}).SetInit(), ENODEV);
  EXPECT_EQ(vm_.SetInit(), 0);
  EXPECT_EQ(vm_.SetInit(), 0);
}

// Row 7
TEST_F(SelftestTest, Row07UserspacePpis) {
  vm_.Init();
  uint64_t mask[2] = {};
  EXPECT_EQ(vm_.Has(kVgicGrpCtrl, 5), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpCtrl, 5, mask), 0);
  EXPECT_EQ(mask[0], 8u);
  EXPECT_EQ(mask[1], 0u);
  EXPECT_EQ(vm_.Set(kVgicGrpCtrl, 5, mask), ENXIO);
  EXPECT_EQ(vm_.GetAt(kVgicGrpCtrl, 5, 0), EFAULT);
}

// Row 8
TEST_F(SelftestTest, Row08IrsRegsBeforeInit) {
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0), 0);
  ASSERT_EQ(vm_.SetAddr(kTestIrsBase.value), 0);
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0), 0);
  EXPECT_EQ(vm_.GetIrs(0, &value_), EBUSY);
  EXPECT_EQ(vm_.SetIrs(0, 0), EBUSY);
}

// Row 9
TEST_F(SelftestTest, Row09IrsRegsWriteBackOf52Registers) {
  vm_.Init();
  int count = 0;
  for (const IrsRegisterInfo& reg : IrsRegisterMap()) {
    if (reg.offset >= 0xff00) break;
    EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, reg.offset), 0) << reg.name;
    ASSERT_EQ(vm_.GetIrs(reg.offset, &value_), 0) << reg.name;
    EXPECT_EQ(vm_.SetIrs(reg.offset, value_), 0) << reg.name;
    ++count;
  }
  EXPECT_EQ(count, 52);
  EXPECT_EQ(vm_.Run(), 0);
}

// Row 10
TEST_F(SelftestTest, Row10IrsRegsBadOffsets) {
  vm_.Init();
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0x10000), ENXIO);
  EXPECT_EQ(vm_.GetIrs(0x10000, &value_), ENXIO);
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0x002), EINVAL);
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0x184), EINVAL);
  EXPECT_EQ(vm_.GetAt(kVgicGrpIrsRegs, 0, 0), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIrsRegs, 0, 0), EFAULT);
}

// Row 11
TEST_F(SelftestTest, Row11IrsRegsBadValues) {
  vm_.Init();
  EXPECT_EQ(vm_.SetIrs(0x000, vm_.Irs(0x000) & ~3ull), EINVAL);
  EXPECT_EQ(vm_.SetIrs(0x000, vm_.Irs(0x000) | 1 << 9), EINVAL);
  EXPECT_EQ(vm_.SetIrs(0x004, vm_.Irs(0x004) | 7 << 20), EINVAL);
  EXPECT_EQ(vm_.SetIrs(0x008, 0), EINVAL);
  for (uint64_t offset : {0x014, 0x018, 0x01c}) {
    EXPECT_EQ(vm_.SetIrs(offset, vm_.Irs(offset) + 1), EINVAL);
  }
}

// Row 12
TEST_F(SelftestTest, Row12StatusRegistersReadIdle) {
  vm_.Init();
  for (uint64_t offset : {0x0c4, 0x118, 0x144, 0x194}) EXPECT_EQ(vm_.Irs(offset), 1u);
}

// Row 13
TEST_F(SelftestTest, Row13BaserWithoutCfgr) {
  vm_.Init();
  ASSERT_EQ(vm_.SetIrs(0x180, 0x40000001), 0);
  EXPECT_EQ(vm_.Irs(0x180), 0x40000001u);
}

// Row 14
TEST_F(SelftestTest, Row14IrsRegsAfterARun) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.SetIrs(0x084, 0), EBUSY);
  for (uint64_t offset = 0xffd0; offset < 0x10000; offset += 4) {
    EXPECT_EQ(vm_.GetIrs(offset, &value_), 0) << offset;
  }
  EXPECT_EQ(vm_.Irs(0xffbc), 0x47705a19u);
}

// Row 15
TEST_F(SelftestTest, Row15IstAttributes) {
  std::vector<uint32_t> buffer(1024);
  EXPECT_EQ(vm_.Has(kVgicGrpIst, 0), 0);
  EXPECT_EQ(vm_.Get(kVgicGrpIst, 0, buffer.data()), EBUSY);
  EXPECT_EQ(vm_.Set(kVgicGrpIst, 0, buffer.data()), EBUSY);
  vm_.Init();
  EXPECT_EQ(vm_.Has(kVgicGrpIst, 1), ENXIO);
  EXPECT_EQ(vm_.Get(kVgicGrpIst, 1, buffer.data()), ENXIO);
  EXPECT_EQ(vm_.Set(kVgicGrpIst, 1, buffer.data()), ENXIO);
}

// Row 16
TEST_F(SelftestTest, Row16IstDescriptors) {
  vm_.Init();
  std::vector<uint32_t> spis(32);
  const uint64_t buffer = reinterpret_cast<uint64_t>(spis.data());
  const VgicV5Ist missing = {0, 128, 0, 0};
  const VgicV5Ist short_by_one = {buffer, 124, 0, 0};
  const VgicV5Ist unexpected = {buffer, 128, buffer, 128};
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 0, 0), EINVAL);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 0), EINVAL);
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 0, 1), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 1), EFAULT);
  for (const VgicV5Ist& bad : {missing, short_by_one, unexpected}) {
    EXPECT_EQ(vm_.Get(kVgicGrpIst, 0, const_cast<VgicV5Ist*>(&bad)), EINVAL);
    EXPECT_EQ(vm_.Set(kVgicGrpIst, 0, &bad), EINVAL);
  }
}

// Row 17
TEST_F(SelftestTest, Row17IstSetAfterARun) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.RestoreIst({.spis = std::vector<uint32_t>(32), .lpis = {}}), EBUSY);
}

// Rows 18 to 23 need a source with LPIs.
class SelftestRestoreTest : public SelftestTest {
 protected:
  SelftestRestoreTest() {
    Boot(source_);
    source_.EnableLpis(10);
    source_.SetUp(Spi(4), 0x10);  // two that wait for the mask
    source_.SetUp(Spi(5), 0x08);
    source_.Pend(Spi(4));
    source_.Pend(Spi(5));
    source_.SetUp(Spi(6), 0x04);  // pending but disabled
    source_.Disable(Spi(6));
    source_.Pend(Spi(6));
    source_.SetUp(Spi(7), 0x04);  // enabled but idle
    source_.SetUp(Lpi(8), 0x04, 1);
    source_.Pend(Lpi(8));
    source_.SetUp(Lpi(9), 0x04, 1);
    source_.Msr(kIccPcr, 0x00, 0);
    snapshot_ = SaveSnapshot(source_);
  }
  // A destination with the registers, and the IST too unless told otherwise.
  void Restore(TestVm& vm, bool with_ist = true) {
    vm.Init();
    std::vector<RestoreStep> steps = {RestoreStep::kCpuSysregs, RestoreStep::kIdRegisters,
                                      RestoreStep::kIstCfgr, RestoreStep::kIstBaser};
    if (with_ist) steps.push_back(RestoreStep::kIst);
    steps.push_back(RestoreStep::kOtherIrs);
    ASSERT_EQ(RestoreSnapshot(vm, snapshot_, steps), 0);
  }
  int WithLpiBuffer(TestVm& vm, bool set, uint64_t address, uint64_t size) {
    VgicV5Ist descriptor = {reinterpret_cast<uint64_t>(snapshot_.ist.spis.data()), 128, address,
                            size};
    return set ? vm.Set(kVgicGrpIst, 0, &descriptor) : vm.Get(kVgicGrpIst, 0, &descriptor);
  }

  TestVm source_{{.vcpu_ids = {0, 1}}};
  TestVm destination_{{.vcpu_ids = {0, 1}}};
  TestSnapshot snapshot_;
  std::vector<uint32_t> lpis_ = std::vector<uint32_t>(1024);
};

// Row 18
TEST_F(SelftestRestoreTest, Row18LpiBufferMissingOrShort) {
  Restore(destination_, false);
  const uint64_t buffer = reinterpret_cast<uint64_t>(lpis_.data());
  for (TestVm* vm : {&source_, &destination_}) {
    const bool set = vm == &destination_;
    EXPECT_EQ(WithLpiBuffer(*vm, set, 0, 4096), EINVAL);
    EXPECT_EQ(WithLpiBuffer(*vm, set, buffer, 4092), EINVAL);
  }
}

// Row 19
TEST_F(SelftestRestoreTest, Row19LpiBufferBeforeTheRegisters) {
  destination_.Init();
  EXPECT_EQ(destination_.RestoreIst(snapshot_.ist), EINVAL);
}

// Row 20
TEST_F(SelftestRestoreTest, Row20RegistersAroundTheAllocation) {
  Restore(destination_, false);
  const uint64_t baser = snapshot_.irs.at(0x180);
  EXPECT_EQ(destination_.SetIrs(0x180, baser + 0x10000), 0);
  EXPECT_EQ(destination_.SetIrs(0x180, baser & ~1ull), 0);
  EXPECT_EQ(destination_.SetIrs(0x180, baser), 0);
  ASSERT_EQ(destination_.RestoreIst(snapshot_.ist), 0);
  EXPECT_EQ(destination_.SetIrs(0x180, baser + 0x10000), EINVAL);
  EXPECT_EQ(destination_.SetIrs(0x180, baser & ~1ull), EINVAL);
  EXPECT_EQ(destination_.SetIrs(0x190, 11), EINVAL);
  EXPECT_EQ(destination_.SetIrs(0x180, baser), 0);
  EXPECT_EQ(destination_.SetIrs(0x190, 10), 0);
}

// Row 21
TEST_F(SelftestRestoreTest, Row21GetRightAfterSetIsIdentical) {
  Restore(destination_);
  SavedIst ist;
  ASSERT_EQ(destination_.SaveIst(&ist), 0);
  EXPECT_EQ(ist, snapshot_.ist);
}

// Row 22
TEST_F(SelftestRestoreTest, Row22GetOfAVmThatRanOnOneVcpuOnly) {
  SavedIst ist;
  EXPECT_EQ(source_.SaveIst(&ist), 0);  // vCPU 1 never entered
}

// Row 23
TEST_F(SelftestRestoreTest, Row23FailuresOfIstSet) {
  Restore(destination_, false);
  destination_.gic().InjectAllocationFailure(ENOMEM);
  EXPECT_EQ(destination_.RestoreIst(snapshot_.ist), ENOMEM);
  destination_.gic().InjectAllocationFailure(0);
  destination_.gic().InjectQuiesceFailure(ETIMEDOUT);
  EXPECT_EQ(destination_.RestoreIst(snapshot_.ist), ETIMEDOUT);
  destination_.gic().InjectQuiesceFailure(0);
  EXPECT_EQ(WithLpiBuffer(destination_, true, 1, 4096), EFAULT);
  ASSERT_EQ(destination_.RestoreIst(snapshot_.ist), 0);
  EXPECT_EQ(destination_.RestoreIst(snapshot_.ist), EBUSY);
  TestVm pending({.vcpu_ids = {0, 1}});
  Restore(pending, false);
  EXPECT_EQ(pending.Run(), EINVAL);
}

// Row 24
TEST_F(SelftestRestoreTest, Row24PendingSpisComeInPriorityOrder) {
  Restore(destination_);
  destination_.Start();
  EXPECT_EQ(destination_.Cdia(), 0u);
  destination_.Msr(kIccPcr, 0x08);
  EXPECT_EQ(destination_.Cdia(), kValid | Spi(5));
  destination_.Deactivate(Spi(5));
  destination_.Eoi();
  EXPECT_EQ(destination_.Cdia(), 0u);
  destination_.Msr(kIccPcr, 0x10);
  EXPECT_EQ(destination_.Cdia(), kValid | Spi(4));
}

// Row 25
TEST_F(SelftestRestoreTest, Row25DisabledAndIdleSpis) {
  Restore(destination_);
  destination_.Start();
  destination_.Msr(kIccPcr, 0x04);
  EXPECT_EQ(destination_.Cdia(), 0u);
  destination_.Enable(Spi(6));
  EXPECT_EQ(destination_.Cdia(), kValid | Spi(6));
  destination_.Deactivate(Spi(6));
  destination_.Eoi();
  ASSERT_EQ(destination_.IrqLine(kIrqTypeSpi, 7, true), 0);
  EXPECT_EQ(destination_.Cdia(), kValid | Spi(7));
}

// Row 26
TEST_F(SelftestRestoreTest, Row26LpisArriveAtTheirTarget) {
  Restore(destination_);
  destination_.Start();
  EXPECT_EQ(destination_.Cdia(1), kValid | Lpi(8));
  destination_.Deactivate(Lpi(8), 1);
  destination_.Eoi(1);
  destination_.Pend(Lpi(9), true, 0);
  EXPECT_EQ(destination_.Cdia(1), kValid | Lpi(9));
}

// Row 27
TEST_F(SelftestTest, Row27CpuSysregs) {
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, kIccCr0.packed()), 0);
  EXPECT_EQ(vm_.GetCpu(0, kIccCr0, &value_), EBUSY);
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 0), EBUSY);
  vm_.Init();
  ASSERT_EQ(CpuSysregs().size(), 26u);
  for (SystemRegister reg : CpuSysregs()) {
    EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, reg.packed()), 0);
    ASSERT_EQ(vm_.GetCpu(0, reg, &value_), 0);
    EXPECT_EQ(vm_.SetCpu(0, reg, value_), 0);
  }
  constexpr SystemRegister kIccCtlr = {3, 0, 12, 12, 4};
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, kIccCtlr.packed()), ENXIO);
  EXPECT_EQ(vm_.GetCpu(0, kIccCtlr, &value_), ENOENT);
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, 1ull << 32 | kIccCr0.packed()), EINVAL);
  EXPECT_EQ(vm_.GetCpu(1, kIccCr0, &value_), EINVAL);
  EXPECT_EQ(vm_.GetAt(kVgicGrpCpuSysregs, kIccCr0.packed(), 0), EFAULT);
}

// Row 28
TEST_F(SelftestTest, Row28CpuSysregsAfterARunAndHidden) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.SetCpu(0, kIccCr0, 0), EBUSY);
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, kIccPpiHmr0.packed()), ENXIO);
  EXPECT_EQ(vm_.Has(kVgicGrpCpuSysregs, kIccIdr0.packed()), ENXIO);
}

// Row 29
TEST_F(SelftestTest, Row29SparseVcpuIds) {
  TestVm vm({.vcpu_ids = {17, 3}});
  vm.Init();
  EXPECT_EQ(vm.Run(0), 0);
  EXPECT_EQ(vm.Run(1), 0);
  EXPECT_EQ(vm.Mrs(kIccIaffidr, 0), 17u);
  EXPECT_EQ(vm.Mrs(kIccIaffidr, 1), 3u);
}

// Row 30
TEST_F(SelftestTest, Row30Ppis) {
  Boot(vm_);
  for (uint32_t ppi = 0; ppi <= 64; ++ppi) {
    if (ppi == 3) continue;
    EXPECT_EQ(vm_.IrqLine(kIrqTypePpi, ppi, true), EINVAL) << ppi;
  }
  vm_.Msr(kIccPpiEnabler0, 8);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(vm_.IrqLine(kIrqTypePpi, 3, true), 0);
    EXPECT_TRUE(vm_.gic().IrqAsserted(0));  // so WFI does not block
    EXPECT_EQ(vm_.Cdia(), kValid | PpiId(3));
    vm_.Deactivate(PpiId(3));
    vm_.Eoi();
  }
}

// Row 31
TEST_F(SelftestTest, Row31SpiRange) {
  Boot(vm_);
  EXPECT_EQ(vm_.IrqLine(kIrqTypeSpi, 32, true), EINVAL);
  ExpectSpiDelivered(vm_, 0);
  TestVm full({.nr_spis = 1024});
  Boot(full);
  EXPECT_EQ(full.IrqLine(kIrqTypeSpi, 1024, true), EINVAL);
  ExpectSpiDelivered(full, 0);
  ExpectSpiDelivered(full, 1023);
}

// Row 32
TEST_F(SelftestTest, Row32SpiEdgeAndLevel) {
  Boot(vm_);
  vm_.SetUp(Spi(1), 1);
  ASSERT_EQ(vm_.IrqLine(kIrqTypeSpi, 1, true), 0);
  ASSERT_EQ(vm_.IrqLine(kIrqTypeSpi, 1, false), 0);
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(1));
  vm_.Deactivate(Spi(1));
  vm_.Eoi();
  vm_.SetTrigger(2, true);
  vm_.SetUp(Spi(2), 1);
  ASSERT_EQ(vm_.IrqLine(kIrqTypeSpi, 2, true), 0);
  EXPECT_EQ(vm_.Cdia(), kValid | Spi(2));
}

// Row 33
TEST_F(SelftestTest, Row33Lpis) {
  TestVm vm({.vcpu_ids = {0, 1}});
  Boot(vm);
  const uint64_t table = kTestIrsBase.value + 0x20000;
  vm.Write32(0x190, std::max(5u, vm.Read32(0x008) >> 6 & 0xf));
  vm.Write64(0x180, table | 1);
  EXPECT_EQ(vm.Read32(0x194), 1u);
  EXPECT_EQ(vm.Read64(0x180), table | 1);
  vm.Write64(0x180, (table + 0x10000) | 1);
  EXPECT_EQ(vm.Read64(0x180), table | 1);
  vm.SetUp(Lpi(0), 1, 0);
  vm.SetUp(Lpi(1), 1, 1);
  for (int i = 0; i < 4; ++i) {
    const uint32_t to = i % 2 == 0 ? 1 : 0;
    vm.Pend(Lpi(to), true, 1 - to);
    EXPECT_EQ(vm.Cdia(1 - to), 0u);
    EXPECT_EQ(vm.Cdia(to), kValid | Lpi(to));
    vm.Deactivate(Lpi(to), to);
    vm.Eoi(to);
  }
}

// The selftest restores registers in offset order: IST_BASER before IST_CFGR.
TEST_F(SelftestRestoreTest, RegistersInOffsetOrder) {
  std::map<uint64_t, uint64_t> registers;
  for (const IrsRegisterInfo& reg : IrsRegisterMap().first(kIrsFunctionalRegisters)) {
    registers[reg.offset] = source_.Irs(reg.offset);
  }
  destination_.Init();
  for (const auto& [offset, value] : registers) {
    EXPECT_EQ(destination_.SetIrs(offset, value), 0) << offset;
  }
  ASSERT_EQ(destination_.RestoreIst(snapshot_.ist), 0);
  for (const auto& [offset, value] : registers) EXPECT_EQ(destination_.Irs(offset), value);
  EXPECT_EQ(destination_.Run(), 0);
}

}  // namespace
}  // namespace firn::software::gicv5
