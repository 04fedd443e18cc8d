// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Group IST: gicv5-reference 1.10 and 4.1, row by row and in KVM's order of checks.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using kvm::kVgicGrpIst;

std::string Name(const testing::TestParamInfo<Dialect>& info) { return DialectName(info.param); }

uint64_t Address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

constexpr uint32_t kBits = 10;
constexpr uint32_t kLpis = 1 << kBits;

// A VM whose registers describe an LPI IST; the table itself follows with IST SET.
void RestoreRegisters(TestVm& vm) {
  ASSERT_EQ(vm.SetIrs(0x190, kBits), 0);
  ASSERT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);
}

class IstTest : public testing::TestWithParam<Dialect> {
 protected:
  int Get() { return vm_.SaveIst(&ist_); }
  int Set() { return vm_.RestoreIst(ist_); }
  bool merged() const { return GetParam() == Dialect::kMerged; }
  bool v1() const { return GetParam() == Dialect::kSeriesV1; }

  TestVm vm_{{.dialect = GetParam()}};
  SavedIst ist_{.spis = std::vector<uint32_t>(32), .lpis = {}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, IstTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(IstTest, OtherAttributesAreEnxio) {
  vm_.Init();
  EXPECT_EQ(vm_.Has(kVgicGrpIst, 0), 0);
  EXPECT_EQ(vm_.Has(kVgicGrpIst, 1), ENXIO);
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 1, 0), ENXIO);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 1, 0), ENXIO);
}

TEST_P(IstTest, RunningVcpuIsEbusyBeforeAnythingElse) {
  vm_.Init();
  vm_.machine().running = true;
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 0, 0), EBUSY);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 0), EBUSY);
}

TEST_P(IstTest, BeforeInitIsEbusyBeforeThePointer) {
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 0, 0), EBUSY);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 0), EBUSY);
}

TEST_P(IstTest, SetAfterARunIsEbusyBeforeThePointer) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 0), EBUSY);
  EXPECT_EQ(Get(), 0);
}

TEST_P(IstTest, NullIsEinvalAndBadPointerIsEfault) {
  vm_.Init();
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 0, 0), EINVAL);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 0), EINVAL);
  EXPECT_EQ(vm_.GetAt(kVgicGrpIst, 0, 1), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIst, 0, 1), EFAULT);
}

TEST_P(IstTest, SpisAreSavedAndRestoredWithoutLpis) {
  vm_.Init();
  ist_.spis[0] = 0x0000f808;
  ist_.spis[31] = 0x0001f809;
  const SavedIst before = ist_;
  ASSERT_EQ(Set(), 0);
  EXPECT_EQ(Set(), 0);  // without LPIs a second SET is accepted
  ASSERT_EQ(Get(), 0);
  EXPECT_EQ(ist_, before);
}

TEST_P(IstTest, FailedQuiesceIsItsErrno) {
  vm_.Init();
  for (int error : {ETIMEDOUT, EBUSY}) {
    vm_.gic().InjectQuiesceFailure(error);
    EXPECT_EQ(Get(), error);
    EXPECT_EQ(Set(), error);
  }
  vm_.gic().InjectQuiesceFailure(0);
  EXPECT_EQ(Get(), 0);
  EXPECT_EQ(Set(), 0);
}

TEST_P(IstTest, GetOfRegistersWithoutTableIsEnxioUnlessTheRegistersAllocate) {
  vm_.Init();
  RestoreRegisters(vm_);
  EXPECT_EQ(Get(), v1() ? 0 : ENXIO);
}

TEST_P(IstTest, FailedAllocationIsEnomemAndMayBeRetried) {
  if (v1()) GTEST_SKIP() << "IST SET allocates nothing";
  vm_.Init();
  RestoreRegisters(vm_);
  if (merged()) ist_.lpis.resize(kLpis);
  vm_.gic().InjectAllocationFailure(ENOMEM);
  EXPECT_EQ(Set(), ENOMEM);
  EXPECT_EQ(vm_.Config(Lpi(0)) & 1, 1u);
  vm_.gic().InjectAllocationFailure(0);
  EXPECT_EQ(Set(), 0);
}

TEST_P(IstTest, SecondSetWithLpisIsEbusyWhereSetAllocates) {
  vm_.Init();
  RestoreRegisters(vm_);
  if (merged()) ist_.lpis.resize(kLpis);
  ASSERT_EQ(Set(), 0);
  EXPECT_EQ(Set(), v1() ? 0 : EBUSY);
}

TEST_P(IstTest, LpisAreSavedAndRestoredByteForByte) {
  vm_.Init();
  RestoreRegisters(vm_);
  std::vector<uint32_t> lpis(kLpis);
  for (uint32_t i = 0; i < kLpis; ++i) lpis[i] = (i << 16) | (i % 32) << 11 | (i & 0x1f);
  if (merged()) {
    ist_.lpis = lpis;
  } else {
    std::memcpy(vm_.machine().ram.data(), lpis.data(), kLpis * 4);
  }
  ASSERT_EQ(Set(), 0);
  std::fill(vm_.machine().ram.begin(), vm_.machine().ram.end(), std::byte{0});
  SavedIst saved;
  ASSERT_EQ(vm_.SaveIst(&saved), 0);
  const void* const bytes =
      merged() ? static_cast<const void*>(saved.lpis.data()) : vm_.machine().ram.data();
  EXPECT_EQ(std::memcmp(bytes, lpis.data(), kLpis * 4), 0);
  EXPECT_EQ(saved.spis, ist_.spis);
}

TEST_P(IstTest, HardwareUseAndReservedBitsAreDropped) {
  vm_.Init();
  ist_.spis[3] = 0xffffffff;
  ASSERT_EQ(Set(), 0);
  ASSERT_EQ(Get(), 0);
  EXPECT_EQ(ist_.spis[3], 0xfffff81f);  // without [10:5]
}

TEST_P(IstTest, EntryFieldsAreWhatTheGuestReads) {
  vm_.Init();
  ist_.spis[1] = 0x0000f808;  // enabled, priority 0x1f, target 0
  ist_.spis[2] = 0x0001f809;  // and pending, target 1
  ist_.spis[3] = 0x0000f80d;  // level-mode SPI pending
  ist_.spis[4] = 0x12343802;  // active, priority 7, target 0x1234
  ASSERT_EQ(Set(), 0);
  vm_.Start();
  EXPECT_EQ(vm_.Config(Spi(1)), 0x000000000000f802u);
  EXPECT_EQ(vm_.Config(Spi(2)), 0x000000010000f806u);
  EXPECT_EQ(vm_.Config(Spi(3)), 0x000000000000f826u);
  EXPECT_EQ(vm_.Config(Spi(4)), 0x0000123400003810u);
}

TEST_P(IstTest, WhatTheGuestSetUpIsSaved) {
  vm_.Init().Start();
  vm_.EnableLpis(kBits);
  vm_.SetUp(Spi(9), 4, 3);
  vm_.Pend(Spi(9));
  vm_.SetTrigger(10, true);
  vm_.SetUp(Lpi(1023), 0x1f, 7);
  ASSERT_EQ(Get(), 0);
  EXPECT_EQ(ist_.spis[9], 3u << 16 | 4 << 11 | 9);
  EXPECT_EQ(ist_.spis[10], 4u);
  uint32_t lpi = merged() ? ist_.lpis[1023] : 0;
  if (!merged()) std::memcpy(&lpi, vm_.machine().ram.data() + 1023 * 4, 4);
  EXPECT_EQ(lpi, 7u << 16 | 0xf808);
}

TEST_P(IstTest, TriggerModeOfSpisComesFromTheEntryExceptInTheFirstSeries) {
  vm_.Init();
  ist_.spis[6] = 0xf80c;  // enabled, level
  ASSERT_EQ(Set(), 0);
  ASSERT_EQ(vm_.SetIrs(0x108, 6), 0);
  EXPECT_EQ(vm_.Irs(0x114), v1() ? 0u : 1u);
}

// --- (b): LPI state in guest memory
// ----------------------------------------------------------------

class IstSeriesTest : public IstTest {};
INSTANTIATE_TEST_SUITE_P(Dialects, IstSeriesTest,
                         testing::Values(Dialect::kSeriesV1, Dialect::kSeriesV2), Name);

TEST_P(IstSeriesTest, SaveWritesGuestMemoryAndMarksItDirty) {
  vm_.Init().Start();
  vm_.EnableLpis(kBits);
  ASSERT_EQ(Get(), 0);
  ASSERT_EQ(vm_.machine().dirty.size(), 1u);
  EXPECT_EQ(vm_.machine().dirty[0], *GuestRange::Create(kTestIst, kLpis * 4));
}

TEST_P(IstSeriesTest, RestoreDoesNotMarkItDirty) {
  vm_.Init();
  RestoreRegisters(vm_);
  ASSERT_EQ(Set(), 0);
  EXPECT_TRUE(vm_.machine().dirty.empty());
}

TEST_P(IstSeriesTest, TableOutsideGuestMemoryIsEfault) {
  vm_.Init();
  for (uint64_t address : {uint64_t{0}, uint64_t{0x00ffffffffffffc0},
                           FakeMachine::kRamBase.value + FakeMachine::kRamSize - 64}) {
    TestVm vm({.dialect = GetParam()});
    vm.Init();
    ASSERT_EQ(vm.SetIrs(0x190, kBits), 0);
    ASSERT_EQ(vm.SetIrs(0x180, address | 1), 0);
    EXPECT_EQ(vm.RestoreIst(ist_), EFAULT) << address;
    if (v1()) {
      EXPECT_EQ(vm.SaveIst(&ist_), EFAULT) << address;
    }
  }
}

TEST_P(IstSeriesTest, GetIntoZeroedBufferIsTheProbeThatSucceeds) {
  vm_.Init();
  std::vector<uint32_t> buffer(1024);
  EXPECT_EQ(vm_.Get(kVgicGrpIst, 0, buffer.data()), 0);
}

TEST(IstSeriesV2Test, RegistersThatDescribeNoTableAreEnxio) {
  TestVm vm({.dialect = Dialect::kSeriesV2});
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);  // IST_CFGR is 0
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  EXPECT_EQ(vm.RestoreIst(ist), ENXIO);
  EXPECT_EQ(vm.SaveIst(&ist), ENXIO);
}

// --- (c): descriptor
// -------------------------------------------------------------------------------

class IstDescriptorTest : public testing::TestWithParam<bool> {
 protected:
  IstDescriptorTest() {
    vm_.Init();
    descriptor_ = {.spi_ist_addr = Address(spis_.data()),
                   .spi_ist_size = 64 * 4,
                   .lpi_ist_addr = 0,
                   .lpi_ist_size = 0};
  }
  // GET or SET.
  int Call() {
    return GetParam() ? vm_.Set(kVgicGrpIst, 0, &descriptor_)
                      : vm_.Get(kVgicGrpIst, 0, &descriptor_);
  }
  void AddLpis() {
    RestoreRegisters(vm_);
    if (!GetParam()) {
      SavedIst ist{.spis = spis_, .lpis = lpis_};
      ASSERT_EQ(vm_.RestoreIst(ist), 0);
    }
    descriptor_.lpi_ist_addr = Address(lpis_.data());
    descriptor_.lpi_ist_size = kLpis * 4;
  }

  TestVm vm_{{.nr_spis = 64}};
  std::vector<uint32_t> spis_ = std::vector<uint32_t>(64);
  std::vector<uint32_t> lpis_ = std::vector<uint32_t>(kLpis);
  kvm::VgicV5Ist descriptor_;
};
INSTANTIATE_TEST_SUITE_P(Calls, IstDescriptorTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Set" : "Get"; });

TEST_P(IstDescriptorTest, WithSpisAloneSucceeds) { EXPECT_EQ(Call(), 0); }

TEST_P(IstDescriptorTest, SpiBufferMissingIsEinval) {
  descriptor_.spi_ist_addr = 0;
  EXPECT_EQ(Call(), EINVAL);
}

TEST_P(IstDescriptorTest, SpiBufferOfAnotherSizeIsEinval) {
  for (uint64_t size : {uint64_t{0}, uint64_t{252}, uint64_t{260}, ~uint64_t{0}}) {
    descriptor_.spi_ist_size = size;
    EXPECT_EQ(Call(), EINVAL) << size;
  }
}

TEST_P(IstDescriptorTest, UnexpectedLpiBufferIsEinval) {
  descriptor_.lpi_ist_addr = Address(lpis_.data());
  EXPECT_EQ(Call(), EINVAL);
  descriptor_.lpi_ist_addr = 0;
  descriptor_.lpi_ist_size = 4;
  EXPECT_EQ(Call(), EINVAL);
}

TEST_P(IstDescriptorTest, LpiBufferMissingIsEinval) {
  AddLpis();
  descriptor_.lpi_ist_addr = 0;
  EXPECT_EQ(Call(), EINVAL);
}

TEST_P(IstDescriptorTest, LpiBufferOfAnotherSizeIsEinval) {
  AddLpis();
  for (uint64_t size : {uint64_t{0}, uint64_t{kLpis * 4 - 4}, uint64_t{kLpis * 4 + 4}}) {
    descriptor_.lpi_ist_size = size;
    EXPECT_EQ(Call(), EINVAL) << size;
  }
}

TEST_P(IstDescriptorTest, WithLpisSucceeds) {
  AddLpis();
  EXPECT_EQ(Call(), 0);
}

TEST_P(IstDescriptorTest, BadSpiBufferIsEfault) {
  descriptor_.spi_ist_addr = 1;
  EXPECT_EQ(Call(), EFAULT);
}

TEST_P(IstDescriptorTest, BadLpiBufferIsEfaultAndMayBeRetried) {
  AddLpis();
  const uint64_t good = descriptor_.lpi_ist_addr;
  descriptor_.lpi_ist_addr = 1;
  EXPECT_EQ(Call(), EFAULT);
  EXPECT_EQ(vm_.Config(Lpi(0)) & 1, GetParam() ? 1u : 0u);  // a failed SET freed its table
  descriptor_.lpi_ist_addr = good;
  EXPECT_EQ(Call(), 0);
}

TEST_P(IstDescriptorTest, CfgrThatDescribesNoTableIsEinval) {
  ASSERT_EQ(vm_.SetIrs(0x180, kTestIst.value | 1), 0);
  descriptor_.lpi_ist_addr = Address(lpis_.data());
  descriptor_.lpi_ist_size = 4;
  EXPECT_EQ(Call(), EINVAL);
}

TEST(IstMergedTest, ZeroedBufferIsTheProbeThatIsEinvalAndUntouched) {
  TestVm vm;
  vm.Init();
  std::vector<uint32_t> buffer(1024);
  EXPECT_EQ(vm.Get(kVgicGrpIst, 0, buffer.data()), EINVAL);
  EXPECT_EQ(buffer, std::vector<uint32_t>(1024));
}

TEST(IstMergedTest, SaveLeavesGuestMemoryAlone) {
  TestVm vm;
  vm.Init().Start();
  vm.EnableLpis(kBits);
  vm.SetUp(Lpi(5), 1);
  SavedIst ist;
  ASSERT_EQ(vm.SaveIst(&ist), 0);
  EXPECT_TRUE(vm.machine().dirty.empty());
  EXPECT_EQ(ist.lpis[5], 0x808u);
}

TEST(IstMergedTest, RegistersAreFrozenOnceTheTableExists) {
  TestVm vm;
  vm.Init();
  // Before: they change, and are restored again.
  RestoreRegisters(vm);
  EXPECT_EQ(vm.SetIrs(0x180, 0x50000001), 0);
  EXPECT_EQ(vm.SetIrs(0x180, 0), 0);
  EXPECT_EQ(vm.SetIrs(0x190, 11), 0);
  RestoreRegisters(vm);
  ASSERT_EQ(
      vm.RestoreIst({.spis = std::vector<uint32_t>(32), .lpis = std::vector<uint32_t>(kLpis)}), 0);
  // After: only the same.
  EXPECT_EQ(vm.SetIrs(0x180, 0x50000001), EINVAL);
  EXPECT_EQ(vm.SetIrs(0x180, kTestIst.value), EINVAL);
  EXPECT_EQ(vm.SetIrs(0x190, 11), EINVAL);
  EXPECT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);
  EXPECT_EQ(vm.SetIrs(0x190, kBits), 0);
}

// --- KVM_RUN and the restore that is missing -----------------------------------------------------

TEST(RestoreGuardTest, RunWithoutIstSetIsEinvalAndKillsTheVm) {
  TestVm vm;
  vm.Init();
  RestoreRegisters(vm);
  EXPECT_EQ(vm.Run(), EINVAL);
  EXPECT_TRUE(vm.machine().dead);
}

TEST(RestoreGuardTest, ClearingValidDoesNotDisarm) {
  TestVm vm;
  vm.Init();
  RestoreRegisters(vm);
  ASSERT_EQ(vm.SetIrs(0x180, 0), 0);
  EXPECT_EQ(vm.Run(), EINVAL);
}

TEST(RestoreGuardTest, FailedIstSetDoesNotDisarmAndASuccessfulOneDoes) {
  TestVm vm;
  vm.Init();
  RestoreRegisters(vm);
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  EXPECT_EQ(vm.RestoreIst(ist), EINVAL);
  ist.lpis.resize(kLpis);
  EXPECT_EQ(vm.RestoreIst(ist), 0);
  EXPECT_EQ(vm.Run(), 0);
}

TEST(RestoreGuardTest, SeriesRunWithoutAGuard) {
  for (Dialect dialect : {Dialect::kSeriesV1, Dialect::kSeriesV2}) {
    TestVm vm({.dialect = dialect});
    vm.Init();
    RestoreRegisters(vm);
    EXPECT_EQ(vm.Run(), 0);
    EXPECT_FALSE(vm.machine().dead);
  }
}

TEST(RestoreGuardTest, RunBeforeInitIsEbusyAndKillsTheVm) {
  for (Dialect dialect : kAllDialects) {
    TestVm vm({.dialect = dialect});
    EXPECT_EQ(vm.Run(), EBUSY);
    EXPECT_TRUE(vm.machine().dead);
  }
}

}  // namespace
}  // namespace firn::software::gicv5
