// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Creation of vCPUs, and groups CTRL, ADDR and NR_IRQS: gicv5-reference 1.6, 1.7, row by row.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/errno_status.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using kvm::kVgicCtrlInit;
using kvm::kVgicCtrlUserspacePpis;
using kvm::kVgicGrpAddr;
using kvm::kVgicGrpCtrl;
using kvm::kVgicGrpNrIrqs;

constexpr uint64_t kIrs = kvm::kVgicV5AddrTypeIrs;

std::string Name(const testing::TestParamInfo<Dialect>& info) { return DialectName(info.param); }

// --- 1.6 vCPUs ---------------------------------------------------------------------------------

TEST(VcpuTest, IdAtTheLimitIsEinval) {
  TestVm vm({.vcpu_ids = {511}});
  EXPECT_EQ(GetErrno(vm.gic().AddVcpu(1, 512)), EINVAL);
  EXPECT_EQ(GetErrno(vm.gic().AddVcpu(1, ~0u)), EINVAL);
  EXPECT_TRUE(vm.gic().AddVcpu(1, 0).ok());
}

TEST(VcpuTest, HostWithFewerVpesLimitsIdsAndCount) {
  TestVm vm({.vcpu_ids = {3}, .limits = {.max_vpes = 4}});
  EXPECT_EQ(GetErrno(vm.gic().AddVcpu(1, 4)), EINVAL);
}

TEST(VcpuTest, SeriesLimitsOnlyTheCount) {
  TestVm vm({.dialect = Dialect::kSeriesV2, .vcpu_ids = {7}, .limits = {.max_vpes = 2}});
  ASSERT_TRUE(vm.gic().AddVcpu(1, 9).ok());
  EXPECT_EQ(GetErrno(vm.gic().AddVcpu(2, 1)), EINVAL);
}

TEST(VcpuTest, IdThatIsTakenIsEexist) {
  TestVm vm({.vcpu_ids = {3}});
  EXPECT_EQ(GetErrno(vm.gic().AddVcpu(1, 3)), EEXIST);
}

TEST(VcpuTest, CreationAfterInitIsEbusy) {
  TestVm vm;
  vm.Init();
  EXPECT_EQ(GetErrno(vm.gic().AddVcpu(1, 1)), EBUSY);
}

// --- 1.6 CTRL ----------------------------------------------------------------------------------

class CtrlTest : public testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(Dialects, CtrlTest, testing::ValuesIn(kAllDialects), Name);

TEST_P(CtrlTest, HasInitAndUserspacePpisOnly) {
  TestVm vm({.dialect = GetParam()});
  for (uint64_t attr = 0; attr < 10; ++attr) {
    const bool exists = attr == kVgicCtrlInit || attr == kVgicCtrlUserspacePpis;
    EXPECT_EQ(vm.Has(kVgicGrpCtrl, attr), exists ? 0 : ENXIO) << attr;
  }
}

TEST_P(CtrlTest, InitWithoutVcpuIsEnodev) {
  TestVm vm({.dialect = GetParam(), .vcpu_ids = {}});
  EXPECT_EQ(vm.SetInit(), ENODEV);
}

TEST_P(CtrlTest, InitIsIdempotent) {
  TestVm vm({.dialect = GetParam()});
  EXPECT_EQ(vm.SetInit(), 0);
  EXPECT_EQ(vm.SetInit(), 0);
}

TEST_P(CtrlTest, GetOfInitIsEnxio) {
  uint64_t value = 0;
  EXPECT_EQ(TestVm({.dialect = GetParam()}).Get(kVgicGrpCtrl, kVgicCtrlInit, &value), ENXIO);
}

TEST_P(CtrlTest, UserspacePpisAreZeroBeforeInitAndSoftwarePpiAfter) {
  TestVm vm({.dialect = GetParam()});
  uint64_t mask[2] = {1, 1};
  ASSERT_EQ(vm.Get(kVgicGrpCtrl, kVgicCtrlUserspacePpis, mask), 0);
  EXPECT_EQ(mask[0], 0u);
  EXPECT_EQ(mask[1], 0u);
  vm.Init();
  ASSERT_EQ(vm.Get(kVgicGrpCtrl, kVgicCtrlUserspacePpis, mask), 0);
  EXPECT_EQ(mask[0], 8u);
  EXPECT_EQ(mask[1], 0u);
}

TEST_P(CtrlTest, SetOfUserspacePpisIsEnxioAndNullIsEfault) {
  TestVm vm({.dialect = GetParam()});
  vm.Init();
  const uint64_t mask[2] = {8, 0};
  EXPECT_EQ(vm.Set(kVgicGrpCtrl, kVgicCtrlUserspacePpis, mask), ENXIO);
  EXPECT_EQ(vm.GetAt(kVgicGrpCtrl, kVgicCtrlUserspacePpis, 0), EFAULT);
}

TEST_P(CtrlTest, GroupsOfOtherGicsAreEnxio) {
  TestVm vm({.dialect = GetParam()});
  vm.Init();
  uint64_t value[8] = {};
  for (uint32_t group : {1u, 2u, 5u, 7u, 8u, 9u, 12u, ~0u}) {
    EXPECT_EQ(vm.Has(group, 0), ENXIO) << group;
    EXPECT_EQ(vm.Get(group, 0, value), ENXIO) << group;
    EXPECT_EQ(vm.Set(group, 0, value), ENXIO) << group;
  }
}

// --- 1.1 (a): everything but CTRL is missing -----------------------------------------------------

class PpiOnlyTest : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Groups, PpiOnlyTest, testing::Values(0, 3, 6, 10, 11));

TEST_P(PpiOnlyTest, GroupIsEnxio) {
  TestVm vm({.dialect = Dialect::kPpiOnly});
  vm.Init();
  uint64_t value[512] = {};
  for (uint64_t attr : {uint64_t{0}, kIrs, uint64_t{0xce01}}) {
    EXPECT_EQ(vm.Has(GetParam(), attr), ENXIO);
    EXPECT_EQ(vm.Get(GetParam(), attr, value), ENXIO);
    EXPECT_EQ(vm.Set(GetParam(), attr, value), ENXIO);
  }
}

// --- 1.7 ADDR ------------------------------------------------------------------------------------

class AddrTest : public testing::TestWithParam<Dialect> {
 protected:
  TestVm vm_{{.dialect = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, AddrTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(AddrTest, ReadsAllOnesBeforeItIsSetAndTheAddressAfter) {
  uint64_t value = 0;
  ASSERT_EQ(vm_.Get(kVgicGrpAddr, kIrs, &value), 0);
  EXPECT_EQ(value, ~uint64_t{0});
  ASSERT_EQ(vm_.SetAddr(0x8000000), 0);
  ASSERT_EQ(vm_.Get(kVgicGrpAddr, kIrs, &value), 0);
  EXPECT_EQ(value, 0x8000000u);
}

TEST_P(AddrTest, AddressThatIsNotAlignedTo64KiBIsEinval) {
  for (uint64_t address : {0x1000u, 0x8000u, 0x8000001u}) EXPECT_EQ(vm_.SetAddr(address), EINVAL);
}

TEST_P(AddrTest, AddressThatWrapsIsEinval) { EXPECT_EQ(vm_.SetAddr(~uint64_t{0} << 16), EINVAL); }

TEST_P(AddrTest, AddressBeyondTheIpaRangeIsE2big) {
  vm_.machine().ipa_bits = 36;
  const uint64_t limit = uint64_t{1} << 36;
  EXPECT_EQ(vm_.SetAddr(limit), E2BIG);
  EXPECT_EQ(vm_.SetAddr(limit - 0x10000), E2BIG);  // half of it
  EXPECT_EQ(vm_.SetAddr(uint64_t{1} << 52), E2BIG);
  EXPECT_EQ(vm_.SetAddr(limit - 0x20000), 0);
}

TEST_P(AddrTest, SecondSetIsEexistWhateverItsValue) {
  ASSERT_EQ(vm_.SetAddr(0x8000000), 0);
  EXPECT_EQ(vm_.SetAddr(0x8000000), EEXIST);
  EXPECT_EQ(vm_.SetAddr(0x9000000), EEXIST);
}

TEST_P(AddrTest, AddressZeroIsAccepted) {
  ASSERT_EQ(vm_.SetAddr(0), 0);
  uint64_t value = 1;
  ASSERT_EQ(vm_.Get(kVgicGrpAddr, kIrs, &value), 0);
  EXPECT_EQ(value, 0u);
  EXPECT_EQ(vm_.SetAddr(0), EEXIST);
}

TEST_P(AddrTest, UnknownAttributeIsEnxio) {
  uint64_t value = 0;
  for (uint64_t attr : {uint64_t{0}, uint64_t{5}, uint64_t{7}, ~uint64_t{0}}) {
    EXPECT_EQ(vm_.Has(kVgicGrpAddr, attr), ENXIO);
    EXPECT_EQ(vm_.Get(kVgicGrpAddr, attr, &value), ENXIO);
    EXPECT_EQ(vm_.Set(kVgicGrpAddr, attr, &value), ENXIO);
  }
  EXPECT_EQ(vm_.Has(kVgicGrpAddr, kIrs), 0);
}

TEST_P(AddrTest, BadPointerIsEfault) {
  for (uint64_t bad : {uint64_t{0}, uint64_t{1}}) {
    EXPECT_EQ(vm_.GetAt(kVgicGrpAddr, kIrs, bad), EFAULT);
    EXPECT_EQ(vm_.SetAt(kVgicGrpAddr, kIrs, bad), EFAULT);
  }
}

TEST_P(AddrTest, RunWithoutAddressIsEnxioAndKillsTheVm) {
  ASSERT_EQ(vm_.SetInit(), 0);
  EXPECT_EQ(vm_.Run(), ENXIO);
  EXPECT_TRUE(vm_.machine().dead);
}

TEST_P(AddrTest, AddressMaySetAfterInitBeforeTheFirstRun) {
  ASSERT_EQ(vm_.SetInit(), 0);
  ASSERT_EQ(vm_.SetAddr(kTestIrsBase.value), 0);
  EXPECT_EQ(vm_.Run(), 0);
  EXPECT_EQ(vm_.Read32(0x40), 0x04b0043bu);
}

// --- 1.7 NR_IRQS ---------------------------------------------------------------------------------

class NrIrqsTest : public testing::TestWithParam<Dialect> {
 protected:
  uint32_t Value() {
    uint32_t value = ~0u;
    EXPECT_EQ(vm_.Get(kVgicGrpNrIrqs, 0, &value), 0);
    return value;
  }
  TestVm vm_{{.dialect = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, NrIrqsTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(NrIrqsTest, ReadsZeroBeforeSetAndInit) {
  EXPECT_EQ(vm_.Has(kVgicGrpNrIrqs, 0), 0);
  EXPECT_EQ(Value(), 0u);
}

TEST_P(NrIrqsTest, DefaultIs32AfterInit) {
  vm_.Init();
  EXPECT_EQ(Value(), 32u);
  EXPECT_EQ(vm_.Irs(0x014), 32u);
}

TEST_P(NrIrqsTest, IsTheNumberOfSpisWithoutPrivateInterrupts) {
  ASSERT_EQ(vm_.SetNrIrqs(1024), 0);
  vm_.Init();
  EXPECT_EQ(Value(), 1024u);
  EXPECT_EQ(vm_.Irs(0x018), 1024u);
}

TEST_P(NrIrqsTest, SecondSetIsEbusy) {
  ASSERT_EQ(vm_.SetNrIrqs(64), 0);
  EXPECT_EQ(vm_.SetNrIrqs(64), EBUSY);
  EXPECT_EQ(Value(), 64u);
}

TEST_P(NrIrqsTest, SetAfterInitIsEbusy) {
  vm_.Init();
  EXPECT_EQ(vm_.SetNrIrqs(64), EBUSY);
}

TEST_P(NrIrqsTest, BadPointerIsEfault) {
  EXPECT_EQ(vm_.SetAt(kVgicGrpNrIrqs, 0, 1), EFAULT);
  EXPECT_EQ(vm_.GetAt(kVgicGrpNrIrqs, 0, 0), EFAULT);
}

TEST_P(NrIrqsTest, MoreThan1024IsEinval) { EXPECT_EQ(vm_.SetNrIrqs(1056), EINVAL); }

TEST(NrIrqsMergedTest, OddValuesAreEinvalAlsoAfterASet) {
  TestVm vm;
  for (uint32_t bad : {0u, 1u, 31u, 33u, 1023u, 1056u, ~0u}) EXPECT_EQ(vm.SetNrIrqs(bad), EINVAL);
  ASSERT_EQ(vm.SetNrIrqs(64), 0);
  EXPECT_EQ(vm.SetNrIrqs(31), EINVAL);
}

TEST(NrIrqsSeriesTest, FewerThan32BecomeThatAtInit) {
  TestVm vm({.dialect = Dialect::kSeriesV2});
  ASSERT_EQ(vm.SetNrIrqs(5), 0);
  vm.Init();
  EXPECT_EQ(vm.Irs(0x014), 32u);
}

}  // namespace
}  // namespace firn::software::gicv5
