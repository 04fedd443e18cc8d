// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Group IRS_REGS: gicv5-reference 1.9, row by row.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/software/gicv5/irs_registers.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

using kvm::kVgicGrpIrsRegs;

class IrsRegsErrnoTest : public testing::TestWithParam<Dialect> {
 protected:
  bool merged() const { return GetParam() == Dialect::kMerged; }
  TestVm vm_{{.dialect = GetParam()}};
  uint64_t value_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Dialects, IrsRegsErrnoTest, testing::ValuesIn(kIrsDialects),
                         [](const auto& info) { return DialectName(info.param); });

TEST_P(IrsRegsErrnoTest, HasBeforeTheBaseTellsTheDialect) {
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0), merged() ? 0 : ENXIO);
  ASSERT_EQ(vm_.SetAddr(kTestIrsBase.value), 0);
  EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, 0), 0);
}

TEST_P(IrsRegsErrnoTest, HasWithoutAVcpuIsEinval) {
  TestVm vm({.dialect = GetParam(), .vcpu_ids = {}});
  EXPECT_EQ(vm.Has(kVgicGrpIrsRegs, 0), EINVAL);
}

TEST_P(IrsRegsErrnoTest, GetAndSetBeforeTheBaseAreEnxio) {
  ASSERT_EQ(vm_.SetInit(), 0);
  EXPECT_EQ(vm_.GetIrs(0, &value_), ENXIO);
  EXPECT_EQ(vm_.SetIrs(0, 0), ENXIO);
}

TEST_P(IrsRegsErrnoTest, GetAndSetBeforeInitAreEbusy) {
  ASSERT_EQ(vm_.SetAddr(kTestIrsBase.value), 0);
  EXPECT_EQ(vm_.GetIrs(0, &value_), EBUSY);
  EXPECT_EQ(vm_.SetIrs(0, 0), EBUSY);
}

TEST_P(IrsRegsErrnoTest, GetAndSetWhileAVcpuRunsAreEbusy) {
  vm_.Init();
  vm_.machine().running = true;
  EXPECT_EQ(vm_.GetIrs(0, &value_), EBUSY);
  EXPECT_EQ(vm_.SetIrs(0x84, 0), EBUSY);
}

TEST_P(IrsRegsErrnoTest, SetAfterARunIsEbusyInTheMergedDialectOnly) {
  vm_.Init().Start();
  EXPECT_EQ(vm_.SetIrs(0x108, 3), merged() ? EBUSY : 0);
  EXPECT_EQ(vm_.GetIrs(0x108, &value_), 0);
  EXPECT_EQ(value_, merged() ? 0xffffffu : 3u);
}

TEST_P(IrsRegsErrnoTest, UnknownOffsetsAreEnxio) {
  vm_.Init();
  for (uint64_t offset :
       {uint64_t{0x20}, uint64_t{0x48}, uint64_t{0x188}, uint64_t{0x400}, uint64_t{0x8000},
        uint64_t{0xff80}, uint64_t{0xffb8}, uint64_t{0x10000}, uint64_t{1} << 32, ~uint64_t{3}}) {
    EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, offset), ENXIO) << offset;
    EXPECT_EQ(vm_.GetIrs(offset, &value_), ENXIO) << offset;
    EXPECT_EQ(vm_.SetIrs(offset, 0), ENXIO) << offset;
  }
}

TEST_P(IrsRegsErrnoTest, MisalignedOffsetsAreEinval) {
  vm_.Init();
  for (uint64_t offset : {0x001, 0x002, 0x003, 0x082, 0x104, 0x182, 0x184, 0x187, 0xfffe}) {
    EXPECT_EQ(vm_.Has(kVgicGrpIrsRegs, offset), EINVAL) << offset;
    EXPECT_EQ(vm_.GetIrs(offset, &value_), EINVAL) << offset;
    EXPECT_EQ(vm_.SetIrs(offset, 0), EINVAL) << offset;
  }
}

TEST_P(IrsRegsErrnoTest, BadPointerIsEfaultAndForSetWinsOverEverythingElse) {
  EXPECT_EQ(vm_.SetAt(kVgicGrpIrsRegs, 0, 0), EFAULT);  // before base and INIT
  vm_.Init();
  EXPECT_EQ(vm_.GetAt(kVgicGrpIrsRegs, 0, 0), EFAULT);
  EXPECT_EQ(vm_.SetAt(kVgicGrpIrsRegs, 0, 1), EFAULT);
  vm_.Start();
  EXPECT_EQ(vm_.SetAt(kVgicGrpIrsRegs, 0, 0), EFAULT);  // after a run
}

TEST_P(IrsRegsErrnoTest, ValuesAre64BitsWideAndZeroExtended) {
  vm_.Init();
  value_ = ~uint64_t{0};
  ASSERT_EQ(vm_.GetIrs(0x40, &value_), 0);
  EXPECT_EQ(value_, 0x04b0043bu);
  EXPECT_EQ(vm_.SetIrs(0x84, 0xffffffff0000f5d7), 0);
  EXPECT_EQ(vm_.Irs(0x84), 0xf5d7u);
}

// --- Every register of the map -------------------------------------------------------------------

class IrsRegisterUserTest : public testing::TestWithParam<IrsRegisterInfo> {};
INSTANTIATE_TEST_SUITE_P(Map, IrsRegisterUserTest,
                         testing::ValuesIn(IrsRegisterMap().begin(), IrsRegisterMap().end()),
                         [](const auto& info) { return info.param.name; });

TEST_P(IrsRegisterUserTest, HasGetAndWriteBackChangeNothing) {
  TestVm vm;
  vm.Init();
  const uint64_t offset = GetParam().offset;
  EXPECT_EQ(vm.Has(kVgicGrpIrsRegs, offset), 0);
  const uint64_t value = vm.Irs(offset);
  EXPECT_EQ(vm.SetIrs(offset, value), 0);
  EXPECT_EQ(vm.Irs(offset), value);
}

// --- (c): what a SET accepts ---------------------------------------------------------------------

struct SetRow {
  const char* name;
  uint64_t offset;
  uint64_t value;
  int error;
  uint64_t read_back;  // where it succeeds
};

// A VM with vCPU ids 0 and 17 (5 IAFFID bits), 64 SPIs, and a host of 14 ID bits, 10 minimum.
constexpr uint32_t kIdr1 = 2 | 4 << 16 | 4 << 20;
constexpr uint32_t kIdr2 = 14 | 1 << 5 | 10 << 6;
constexpr SetRow kSetRows[] = {
    {"Idr0PaRangeAndIrsid", 0x000, 1 | 3 << 2 | 0x1234u << 16, 0, 1 | 3 << 2 | 0x1234u << 16},
    {"Idr0Secure", 0x000, 0 | 5 << 2, EINVAL, 0},
    {"Idr0El3", 0x000, 2 | 5 << 2, EINVAL, 0},
    {"Idr0Realm", 0x000, 3 | 5 << 2, EINVAL, 0},
    {"Idr0Virt", 0x000, 1 | 1 << 6, EINVAL, 0},
    {"Idr0OneN", 0x000, 1 | 1 << 7, EINVAL, 0},
    {"Idr0VirtOneN", 0x000, 1 | 1 << 8, EINVAL, 0},
    {"Idr0Setlpi", 0x000, 1 | 1 << 9, EINVAL, 0},
    {"Idr0Mec", 0x000, 1 | 1 << 10, EINVAL, 0},
    {"Idr0Mpam", 0x000, 1 | 1 << 11, EINVAL, 0},
    {"Idr0Swe", 0x000, 1 | 1 << 12, EINVAL, 0},
    {"Idr1Same", 0x004, kIdr1, 0, kIdr1},
    {"Idr1PeCntIgnored", 0x004, (kIdr1 & ~0xffffu) | 77, 0, kIdr1},
    {"Idr1IaffidBitsFewer", 0x004, 2 | 3 << 16 | 4 << 20, EINVAL, 0},
    {"Idr1IaffidBitsMore", 0x004, 2 | 5 << 16 | 4 << 20, EINVAL, 0},
    {"Idr1FewerPriorityBits", 0x004, 2 | 4 << 16 | 3 << 20, 0, 2 | 4 << 16 | 3 << 20},
    {"Idr1MorePriorityBits", 0x004, 2 | 4 << 16 | 5 << 20, EINVAL, 0},
    {"Idr1PriorityBits7", 0x004, 2 | 4 << 16 | 7 << 20, EINVAL, 0},
    {"Idr2Zero", 0x008, 0, EINVAL, 0},
    {"Idr2Same", 0x008, kIdr2, 0, kIdr2},
    {"Idr2WithoutLpi", 0x008, kIdr2 & ~(1u << 5), EINVAL, 0},
    {"Idr2IstLevels", 0x008, kIdr2 | 1 << 10, EINVAL, 0},
    {"Idr2Istmd", 0x008, kIdr2 | 1 << 14, EINVAL, 0},
    {"Idr2IstmdSize", 0x008, kIdr2 | 1 << 15, EINVAL, 0},
    {"Idr2FewerIdBits", 0x008, 12 | 1 << 5 | 10 << 6, 0, 12 | 1 << 5 | 10 << 6},
    {"Idr2MoreIdBits", 0x008, 15 | 1 << 5 | 10 << 6, EINVAL, 0},
    {"Idr2LargerMinimum", 0x008, 14 | 1 << 5 | 14 << 6, 0, 14 | 1 << 5 | 14 << 6},
    {"Idr2MinimumBelowHost", 0x008, 14 | 1 << 5 | 9 << 6, EINVAL, 0},
    {"Idr2MinimumAboveIdBits", 0x008, 11 | 1 << 5 | 12 << 6, EINVAL, 0},
    {"Idr3Ignored", 0x00c, 0xffffffff, 0, 0},
    {"Idr4Ignored", 0x010, 0xffffffff, 0, 0},
    {"Idr5Same", 0x014, 64, 0, 64},
    {"Idr5Other", 0x014, 65, EINVAL, 0},
    {"Idr6Same", 0x018, 64, 0, 64},
    {"Idr6Other", 0x018, 65, EINVAL, 0},
    {"Idr7Same", 0x01c, 0, 0, 0},
    {"Idr7Other", 0x01c, 1, EINVAL, 0},
    {"IidrIgnored", 0x040, 0, 0, 0x04b0043b},
    {"AidrIgnored", 0x044, 0xffffffff, 0, 0},
    {"DevarchIgnored", 0xffbc, 0, 0, 0x47705a19},
    {"Cr0TakesIrsen", 0x080, 0xffffffff, 0, 3},
    {"Cr1", 0x084, 0xffffffff, 0, 0xf5ff},
    {"SpiSelr", 0x108, 0xffffffff, 0, 0xffffff},
    {"SpiCfgrIgnored", 0x114, 1, 0, 0},
    {"PeSelr", 0x140, 17, 0, 17},
    {"PeCr0NoEffect", 0x148, 1, 0, 0},
    {"SpiDomainrNoEffect", 0x10c, 3, 0, 0},
    {"SpiResamplerNoEffect", 0x110, 3, 0, 0},
    {"SpiVmrNoEffect", 0x100, ~uint64_t{0}, 0, 0},
    {"SyncrNoEffect", 0x0c0, 1u << 31, 0, 0},
    {"SyncStatusrIsIdle", 0x0c4, 0, 0, 1},
    {"SpiStatusrIsIdle", 0x118, 0, 0, 1},
    {"PeStatusrIsIdle", 0x144, 0, 0, 1},
    {"IstStatusrIsIdle", 0x194, 0, 0, 1},
    {"IstCfgr", 0x190, 0xffffffff, 0, 0x101ff},
    {"IstBaserStoredOnly", 0x180, ~uint64_t{0}, 0, 0x00ffffffffffffc1},
    {"VmtBaserIgnored", 0x200, ~uint64_t{0}, 0, 0},
    {"VpeDbrIgnored", 0x248, ~uint64_t{0}, 0, 0},
    {"MapL2IstrIgnored", 0x1c0, 1, 0, 0},
    {"SaveVmrIgnored", 0x300, ~uint64_t{0}, 0, 0},
    {"MecidIgnored", 0x344, 1, 0, 0},
    {"PartidIgnored", 0x384, 1, 0, 0},
    {"SwerrIgnored", 0x3c0, 1, 0, 0},
};

class IrsSetTest : public testing::TestWithParam<SetRow> {};
INSTANTIATE_TEST_SUITE_P(Merged, IrsSetTest, testing::ValuesIn(kSetRows),
                         [](const auto& info) { return info.param.name; });

TEST_P(IrsSetTest, AcceptsOrRefuses) {
  const SetRow& row = GetParam();
  TestVm vm({.vcpu_ids = {0, 17}, .nr_spis = 64, .limits = {.id_bits = 14}});
  vm.Init();
  const uint64_t before = vm.Irs(row.offset);
  EXPECT_EQ(vm.SetIrs(row.offset, row.value), row.error);
  EXPECT_EQ(vm.Irs(row.offset), row.error == 0 ? row.read_back : before);
}

TEST(IrsRegsTest, StatusHasNoValidBitForUserSpace) {
  TestVm vm;
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x108, 0), 0);
  ASSERT_EQ(vm.SetIrs(0x140, 0), 0);
  EXPECT_EQ(vm.Irs(0x118), 1u);
  EXPECT_EQ(vm.Irs(0x144), 1u);
  vm.Start();
  EXPECT_EQ(vm.Read32(0x118), 3u);
  EXPECT_EQ(vm.Read32(0x144), 7u);
}

TEST(IrsRegsTest, IstBaserBeforeIstCfgrIsAcceptedAndDoesNotAllocate) {
  TestVm vm;
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x180, 0x40000001), 0);
  EXPECT_EQ(vm.Irs(0x180), 0x40000001u);
  EXPECT_EQ(vm.Irs(0x190), 0u);
  ASSERT_EQ(vm.SetIrs(0x190, 12), 0);
  EXPECT_EQ(vm.Config(Lpi(0)) & 1, 1u);
}

// Fewer IDs than the host has, restored from a smaller one, are what the guest then may ask for.
TEST(IrsRegsTest, RestoredIdBitsLimitTheGuest) {
  TestVm vm;
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x008, 12 | 1 << 5 | 11 << 6), 0);
  vm.Start();
  vm.EnableLpis(13);
  EXPECT_EQ(vm.Read64(0x180) & 1, 0u);
  vm.EnableLpis(10);
  EXPECT_EQ(vm.Read64(0x180) & 1, 0u);
  vm.EnableLpis(12);
  EXPECT_EQ(vm.Read64(0x180) & 1, 1u);
}

// --- (b): most values are not checked, some registers act as for the guest -----------------------

TEST(IrsRegsSeriesTest, ChecksLittle) {
  TestVm vm({.dialect = Dialect::kSeriesV2});
  vm.Init();
  EXPECT_EQ(vm.SetIrs(0x000, 1 | 1 << 9), 0);
  EXPECT_EQ(vm.SetIrs(0x000, 0), EINVAL);
  EXPECT_EQ(vm.SetIrs(0x004, 0), 0);
  EXPECT_EQ(vm.SetIrs(0x014, 33), EINVAL);
}

TEST(IrsRegsSeriesTest, IaffidBitsAreTheHosts) {
  for (Dialect dialect : {Dialect::kSeriesV1, Dialect::kSeriesV2}) {
    TestVm vm({.dialect = dialect, .limits = {.max_vpes = 256}});
    vm.Init();
    EXPECT_EQ(vm.Irs(0x004) >> 16 & 0xf, 7u);
  }
}

TEST(IrsRegsSeriesTest, SpiCfgrIsSettable) {
  for (Dialect dialect : {Dialect::kSeriesV1, Dialect::kSeriesV2}) {
    TestVm vm({.dialect = dialect});
    vm.Init();
    ASSERT_EQ(vm.SetIrs(0x108, 7), 0);
    ASSERT_EQ(vm.SetIrs(0x114, 1), 0);
    EXPECT_EQ(vm.Irs(0x114), 1u);
    EXPECT_EQ(vm.Irs(0x118), 3u);  // as the guest sees it
  }
}

TEST(IrsRegsSeriesTest, V1BaserWriteAllocatesAndV2DoesNot) {
  for (Dialect dialect : {Dialect::kSeriesV1, Dialect::kSeriesV2}) {
    TestVm vm({.dialect = dialect});
    vm.Init();
    ASSERT_EQ(vm.SetIrs(0x190, 12), 0);
    ASSERT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);
    EXPECT_EQ(vm.Irs(0x180), kTestIst.value | 1);
    EXPECT_EQ(vm.Config(Lpi(4095)) & 1, dialect == Dialect::kSeriesV1 ? 0u : 1u);
  }
}

TEST(IrsRegsSeriesTest, V1BaserBeforeCfgrStaysInvalid) {
  TestVm vm({.dialect = Dialect::kSeriesV1});
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);
  EXPECT_EQ(vm.Irs(0x180), kTestIst.value);
}

TEST(IrsRegsSeriesTest, V1CfgrAfterBaserIsIgnored) {
  TestVm vm({.dialect = Dialect::kSeriesV1});
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x190, 12), 0);
  ASSERT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);
  ASSERT_EQ(vm.SetIrs(0x190, 13), 0);
  EXPECT_EQ(vm.Irs(0x190), 12u);
}

TEST(IrsRegsSeriesTest, V2RegistersStayFreeWithAnLpiIst) {
  TestVm vm({.dialect = Dialect::kSeriesV2});
  vm.Init();
  ASSERT_EQ(vm.SetIrs(0x190, 12), 0);
  ASSERT_EQ(vm.SetIrs(0x180, kTestIst.value | 1), 0);
  SavedIst ist{.spis = std::vector<uint32_t>(32), .lpis = {}};
  ASSERT_EQ(vm.RestoreIst(ist), 0);
  EXPECT_EQ(vm.SetIrs(0x190, 10), 0);
  // The host's table keeps its size: a save writes no more and no less than that.
  EXPECT_EQ(vm.SaveIst(&ist), 0);
  EXPECT_EQ(vm.machine().dirty.back().size(), 16384u);
}

}  // namespace
}  // namespace firn::software::gicv5
