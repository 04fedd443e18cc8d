// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The IRS as its guest sees it: gicv5-reference 3.1 to 3.5, row by row.
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kOnes = ~uint64_t{0};

std::string Name(const testing::TestParamInfo<Dialect>& info) { return DialectName(info.param); }

// --- 3.2 The register map, written from the reference and not from the model ---------------------

struct Row {
  const char* name;
  uint64_t offset;
  int width;
  uint64_t reset;
  uint64_t after_ones;  // read back after a write of all ones
};

// vCPU ids 0 and 5 (3 IAFFID bits), 96 SPIs, PA range 5.
constexpr Row kRows[] = {
    {"IDR0", 0x000, 4, 1 | 5 << 2, 1 | 5 << 2},
    {"IDR1", 0x004, 4, 2 | 2 << 16 | 4 << 20, 2 | 2 << 16 | 4 << 20},
    {"IDR2", 0x008, 4, 16 | 1 << 5 | 10 << 6, 16 | 1 << 5 | 10 << 6},
    {"IDR3", 0x00c, 4, 0, 0},
    {"IDR4", 0x010, 4, 0, 0},
    {"IDR5", 0x014, 4, 96, 96},
    {"IDR6", 0x018, 4, 96, 96},
    {"IDR7", 0x01c, 4, 0, 0},
    {"IIDR", 0x040, 4, 0x04b0043b, 0x04b0043b},
    {"AIDR", 0x044, 4, 0, 0},
    {"CR0", 0x080, 4, 2, 3},
    {"CR1", 0x084, 4, 0, 0xf5ff},
    {"SYNCR", 0x0c0, 4, 0, 0},
    {"SYNC_STATUSR", 0x0c4, 4, 1, 1},
    {"SPI_VMR", 0x100, 8, 0, 0},
    {"SPI_SELR", 0x108, 4, 0xffffff, 0xffffff},
    {"SPI_DOMAINR", 0x10c, 4, 0, 0},
    {"SPI_RESAMPLER", 0x110, 4, 0, 0},
    {"SPI_CFGR", 0x114, 4, 0, 0},
    {"SPI_STATUSR", 0x118, 4, 1, 1},
    {"PE_SELR", 0x140, 4, 0xffff, 0xffff},
    {"PE_STATUSR", 0x144, 4, 1, 1},
    {"PE_CR0", 0x148, 4, 0, 0},
    {"IST_BASER", 0x180, 8, 0, 0x00ffffffffffffc0},  // CFGR 0 is not acceptable
    {"IST_CFGR", 0x190, 4, 0, 0x000101ff},
    {"IST_STATUSR", 0x194, 4, 1, 1},
    {"MAP_L2_ISTR", 0x1c0, 4, 0, 0},
    {"VMT_BASER", 0x200, 8, 0, 0},
    {"VMT_CFGR", 0x210, 4, 0, 0},
    {"VMT_STATUSR", 0x214, 4, 1, 1},
    {"VPE_SELR", 0x240, 8, 0, 0},
    {"VPE_DBR", 0x248, 8, 0, 0},
    {"VPE_HPPIR", 0x250, 8, 0, 0},
    {"VPE_CR0", 0x258, 4, 0, 0},
    {"VPE_STATUSR", 0x25c, 4, 1, 1},
    {"VM_DBR", 0x280, 8, 0, 0},
    {"VM_SELR", 0x288, 4, 0, 0},
    {"VM_STATUSR", 0x28c, 4, 1, 1},
    {"VMAP_L2_VMTR", 0x2c0, 8, 0, 0},
    {"VMAP_VMR", 0x2c8, 8, 0, 0},
    {"VMAP_VISTR", 0x2d0, 8, 0, 0},
    {"VMAP_L2_VISTR", 0x2d8, 8, 0, 0},
    {"VMAP_VPER", 0x2e0, 8, 0, 0},
    {"SAVE_VMR", 0x300, 8, 0, 0},
    {"SAVE_VM_STATUSR", 0x308, 4, 1, 1},
    {"MEC_IDR", 0x340, 4, 0, 0},
    {"MEC_MECID_R", 0x344, 4, 0, 0},
    {"MPAM_IDR", 0x380, 4, 0, 0},
    {"MPAM_PARTID_R", 0x384, 4, 0, 0},
    {"SWERR_STATUSR", 0x3c0, 8, 0, 0},
    {"SWERR_SYNDROMER0", 0x3c8, 8, 0, 0},
    {"SWERR_SYNDROMER1", 0x3d0, 8, 0, 0},
    {"DEVARCH", 0xffbc, 4, 0x47705a19, 0x47705a19},
    {"PIDR4", 0xffd0, 4, 0x04, 0x04},
    {"PIDR5", 0xffd4, 4, 0, 0},
    {"PIDR6", 0xffd8, 4, 0, 0},
    {"PIDR7", 0xffdc, 4, 0, 0},
    {"PIDR0", 0xffe0, 4, 0x4b, 0x4b},
    {"PIDR1", 0xffe4, 4, 0xb0, 0xb0},
    {"PIDR2", 0xffe8, 4, 0x0b, 0x0b},
    {"PIDR3", 0xffec, 4, 0, 0},
    {"CIDR0", 0xfff0, 4, 0x0d, 0x0d},
    {"CIDR1", 0xfff4, 4, 0xf0, 0xf0},
    {"CIDR2", 0xfff8, 4, 0x05, 0x05},
    {"CIDR3", 0xfffc, 4, 0xb1, 0xb1},
};

class MapTest : public testing::TestWithParam<Row> {
 protected:
  MapTest() { vm_.Init().Start(); }
  uint64_t Read() {
    return GetParam().width == 4 ? vm_.Read32(GetParam().offset) : vm_.Read64(GetParam().offset);
  }
  // An access of `size` bytes at the register's offset plus `displacement`.
  void Write(uint64_t displacement, size_t size) {
    const GuestAddress address(kTestIrsBase.value + GetParam().offset + displacement);
    ASSERT_TRUE(vm_.gic().MmioWrite(
        address, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&kOnes), size)));
  }
  uint64_t ReadAs(size_t size) {
    uint64_t value = 0;
    EXPECT_TRUE(vm_.gic().MmioRead(GuestAddress(kTestIrsBase.value + GetParam().offset),
                                   absl::MakeSpan(reinterpret_cast<std::byte*>(&value), size)));
    return value;
  }
  TestVm vm_{{.vcpu_ids = {0, 5}, .nr_spis = 96}};
};
INSTANTIATE_TEST_SUITE_P(Registers, MapTest, testing::ValuesIn(kRows),
                         [](const auto& info) { return info.param.name; });

TEST_P(MapTest, ResetValue) { EXPECT_EQ(Read(), GetParam().reset); }

TEST_P(MapTest, ReadsBackAfterAWriteOfOnes) {
  Write(0, GetParam().width);
  EXPECT_EQ(Read(), GetParam().after_ones);
}

TEST_P(MapTest, WrongWidthsReadZeroAndAreNotWritten) {
  for (size_t size : {1u, 2u, 8u}) {
    if (size == static_cast<size_t>(GetParam().width)) continue;
    if (GetParam().offset + size > 0x10000) continue;
    EXPECT_EQ(ReadAs(size), 0u) << size;
    Write(0, size);
    EXPECT_EQ(Read(), GetParam().reset) << size;
  }
}

TEST_P(MapTest, UnalignedAccessesAreIgnored) {
  for (uint64_t displacement : {1u, 2u, 3u}) {
    if (GetParam().offset + displacement + GetParam().width > 0x10000) continue;
    Write(displacement, GetParam().width);
    EXPECT_EQ(Read(), GetParam().reset) << displacement;
  }
}

// --- 3.1 Frames ----------------------------------------------------------------------------------

class FrameTest : public testing::TestWithParam<Dialect> {
 protected:
  bool Read(uint64_t address, size_t size) {
    std::byte data[8] = {};
    return vm_.gic().MmioRead(GuestAddress(address), absl::MakeSpan(data, size));
  }
  bool Write(uint64_t address, size_t size) {
    const std::byte data[8] = {};
    return vm_.gic().MmioWrite(GuestAddress(address), absl::MakeConstSpan(data, size));
  }
  TestVm vm_{{.dialect = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, FrameTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(FrameTest, IsThereFromTheFirstRunOn) {
  vm_.Init();
  EXPECT_FALSE(Read(kTestIrsBase.value, 4));
  vm_.Start();
  EXPECT_TRUE(Read(kTestIrsBase.value, 4));
}

TEST_P(FrameTest, CoversTwoFramesAndNothingElse) {
  vm_.Init().Start();
  for (uint64_t inside :
       {uint64_t{0}, uint64_t{0x50}, uint64_t{0xfffc}, uint64_t{0x10000}, uint64_t{0x1fffc}}) {
    EXPECT_TRUE(Read(kTestIrsBase.value + inside, 4)) << inside;
    EXPECT_TRUE(Write(kTestIrsBase.value + inside, 4)) << inside;
  }
  for (uint64_t outside : {kTestIrsBase.value - 4, kTestIrsBase.value + 0x20000,
                           kTestIrsBase.value + 0x1fffc + 2, uint64_t{0}, ~uint64_t{0} - 3}) {
    EXPECT_FALSE(Read(outside, 4)) << outside;
    EXPECT_FALSE(Write(outside, 4)) << outside;
  }
}

TEST_P(FrameTest, SetlpiFrameDoesNothing) {
  vm_.Init().Start();
  vm_.EnableCpus();
  vm_.EnableIrs();
  vm_.EnableLpis();
  vm_.SetUp(Lpi(3), 1);
  vm_.Write32(0x10000, 3);
  EXPECT_EQ(vm_.Read32(0x10000), 0u);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
}

TEST_P(FrameTest, HolesReadZero) {
  vm_.Init().Start();
  for (uint64_t offset : {0x20, 0x188, 0x400, 0x8000, 0xff80, 0xffb8}) {
    vm_.Write32(offset, ~0u);
    EXPECT_EQ(vm_.Read32(offset), 0u) << offset;
  }
}

TEST_P(FrameTest, HalvesOf64BitRegistersOnlyInTheMergedDialect) {
  const bool split = GetParam() == Dialect::kMerged;
  vm_.Init().Start();
  vm_.Write32(0x190, 12);
  vm_.Write32(0x184, 0x1);
  vm_.Write32(0x180, 0x40000001);
  EXPECT_EQ(vm_.Read64(0x180), split ? 0x140000001u : 0u);
  EXPECT_EQ(vm_.Read32(0x180), split ? 0x40000001u : 0u);
  EXPECT_EQ(vm_.Read32(0x184), split ? 1u : 0u);
}

TEST(FramePpiOnlyTest, HasNoIrs) {
  TestVm vm({.dialect = Dialect::kPpiOnly});
  vm.Init().Start();
  std::byte data[4] = {};
  EXPECT_FALSE(vm.gic().MmioRead(kTestIrsBase, absl::MakeSpan(data)));
  EXPECT_FALSE(vm.gic().MmioRead(GuestAddress(0), absl::MakeSpan(data)));
}

// --- 3.3 Select, then operate --------------------------------------------------------------------

class SelectTest : public testing::Test {
 protected:
  SelectTest() {
    vm_.Init().Start();
    vm_.EnableCpus();
    vm_.EnableIrs();
  }
  bool Pending(uint32_t spi) { return (vm_.Config(Spi(spi)) >> 2 & 1) != 0; }
  bool Level(uint32_t spi) { return (vm_.Config(Spi(spi)) >> 5 & 1) != 0; }
  TestVm vm_{{.vcpu_ids = {0, 5}, .nr_spis = 64}};
};

TEST_F(SelectTest, ValidSpi) {
  vm_.Write32(0x108, 63);
  EXPECT_EQ(vm_.Read32(0x108), 63u);
  EXPECT_EQ(vm_.Read32(0x118), 3u);
  EXPECT_EQ(vm_.Read32(0x10c), 1u);
  EXPECT_EQ(vm_.Read32(0x114), 0u);
  vm_.Write32(0x114, 0xffffffff);
  EXPECT_EQ(vm_.Read32(0x114), 1u);
  vm_.Write32(0x108, 62);
  EXPECT_EQ(vm_.Read32(0x114), 0u);
}

TEST_F(SelectTest, InvalidSpiReadsZeroAndIsNotWritten) {
  vm_.Write32(0x108, 64);
  EXPECT_EQ(vm_.Read32(0x118), 1u);
  vm_.Write32(0x114, 1);
  EXPECT_EQ(vm_.Read32(0x114), 0u);
  EXPECT_EQ(vm_.Read32(0x10c), 0u);
}

TEST_F(SelectTest, PeByItsIaffid) {
  vm_.Write32(0x140, 5);
  EXPECT_EQ(vm_.Read32(0x144), 7u);
  EXPECT_EQ(vm_.Read32(0x148), 1u);
  vm_.Write32(0x148, 0);
  EXPECT_EQ(vm_.Read32(0x148), 1u);
  vm_.Write32(0x140, 1);  // an index, not an id
  EXPECT_EQ(vm_.Read32(0x144), 1u);
  EXPECT_EQ(vm_.Read32(0x148), 0u);
}

TEST_F(SelectTest, EdgeToLevelWithTheLineHighIsPending) {
  ASSERT_EQ(vm_.SpiLine(4, true), 0);
  vm_.Pend(Spi(4), false);
  vm_.SetTrigger(4, true);
  EXPECT_TRUE(Pending(4));
  EXPECT_TRUE(Level(4));
}

TEST_F(SelectTest, EdgeToLevelWithTheLineLowIsNotPending) {
  vm_.Pend(Spi(4));
  vm_.SetTrigger(4, true);
  EXPECT_FALSE(Pending(4));
  EXPECT_TRUE(Level(4));
}

TEST_F(SelectTest, LevelToEdgeWithTheLineHighWaitsForTheNextEdge) {
  vm_.SetTrigger(4, true);
  ASSERT_EQ(vm_.SpiLine(4, true), 0);
  EXPECT_TRUE(Pending(4));
  vm_.SetTrigger(4, false);
  EXPECT_FALSE(Pending(4));
  EXPECT_FALSE(Level(4));
}

TEST_F(SelectTest, LevelToEdgeWithTheLineLowChangesNothing) {
  vm_.SetTrigger(4, true);
  vm_.Pend(Spi(4));
  vm_.SetTrigger(4, false);
  EXPECT_TRUE(Pending(4));
}

TEST_F(SelectTest, SameModeChangesNothing) {
  vm_.Pend(Spi(4));
  vm_.SetTrigger(4, false);
  EXPECT_TRUE(Pending(4));
}

// --- 3.4 IST_CFGR and IST_BASER ------------------------------------------------------------------

class IstRegistersTest : public testing::TestWithParam<Dialect> {
 protected:
  IstRegistersTest() { vm_.Init().Start(); }
  bool LpiExists(uint32_t id) { return (vm_.Config(Lpi(id)) & 1) == 0; }
  TestVm vm_{{.dialect = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Dialects, IstRegistersTest, testing::ValuesIn(kIrsDialects), Name);

TEST_P(IstRegistersTest, CfgrIsStoredWhileNotValid) {
  vm_.Write32(0x190, 12);
  vm_.Write32(0x190, 13);
  EXPECT_EQ(vm_.Read32(0x190), 13u);
}

TEST_P(IstRegistersTest, CfgrIsIgnoredWhileValid) {
  vm_.EnableLpis(12);
  vm_.Write32(0x190, 13);
  EXPECT_EQ(vm_.Read32(0x190), 12u);
}

TEST_P(IstRegistersTest, ValidAllocates) {
  EXPECT_FALSE(LpiExists(0));
  vm_.EnableLpis(12);
  EXPECT_EQ(vm_.Read64(0x180), kTestIst.value | 1);
  EXPECT_TRUE(LpiExists(0));
  EXPECT_TRUE(LpiExists(4095));
  EXPECT_FALSE(LpiExists(4096));
}

TEST_P(IstRegistersTest, UnacceptableCfgrStaysNotValid) {
  // Too few bits, too many, none, 8 and 16 byte entries, two levels.
  for (uint32_t cfgr : {9u, 17u, 31u, 0u, 12u | 1u << 7, 12u | 2u << 7, 12u | 1u << 16}) {
    vm_.Write32(0x190, cfgr);
    vm_.Write64(0x180, kTestIst.value | 1);
    EXPECT_EQ(vm_.Read64(0x180), kTestIst.value) << cfgr;
    EXPECT_FALSE(LpiExists(0)) << cfgr;
  }
}

TEST_P(IstRegistersTest, EveryNumberOfBitsInRangeIsAcceptable) {
  for (uint32_t bits = 10; bits <= 16; ++bits) {
    vm_.EnableLpis(bits);
    EXPECT_TRUE(LpiExists((1u << bits) - 1)) << bits;
    EXPECT_FALSE(LpiExists(1u << bits)) << bits;
    vm_.Write64(0x180, 0);
  }
}

TEST_P(IstRegistersTest, AddressIsImmutableWhileValid) {
  vm_.EnableLpis(12);
  vm_.Write64(0x180, 0x50000001);
  EXPECT_EQ(vm_.Read64(0x180), kTestIst.value | 1);
}

TEST_P(IstRegistersTest, InvalidationLosesLpiState) {
  vm_.EnableCpus();
  vm_.EnableIrs();
  vm_.EnableLpis(10);
  vm_.SetUp(Lpi(7), 3);
  vm_.Pend(Lpi(7));
  EXPECT_TRUE(vm_.gic().IrqAsserted(0));
  vm_.Write64(0x180, 0);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
  EXPECT_EQ(vm_.Read64(0x180), 0u);
  EXPECT_FALSE(LpiExists(7));
  vm_.EnableLpis(10);
  EXPECT_EQ(vm_.Config(Lpi(7)), 0u);
  EXPECT_FALSE(vm_.gic().IrqAsserted(0));
}

TEST_P(IstRegistersTest, GuestMemoryIsNeitherReadNorWritten) {
  std::fill(vm_.machine().ram.begin(), vm_.machine().ram.end(), std::byte{0xff});
  vm_.EnableLpis(10);
  EXPECT_EQ(vm_.Config(Lpi(7)), 0u);
  vm_.SetUp(Lpi(7), 3);
  vm_.Pend(Lpi(7));
  EXPECT_TRUE(vm_.machine().dirty.empty());
  for (std::byte b : vm_.machine().ram) ASSERT_EQ(b, std::byte{0xff});
}

TEST_P(IstRegistersTest, FailedAllocationStaysNotValidAndMayBeRetried) {
  vm_.gic().InjectAllocationFailure(ENOMEM);
  vm_.EnableLpis(10);
  EXPECT_EQ(vm_.Read64(0x180), kTestIst.value);
  vm_.gic().InjectAllocationFailure(0);
  vm_.EnableLpis(10);
  EXPECT_EQ(vm_.Read64(0x180), kTestIst.value | 1);
}

// --- 3.5 Derived numbers -------------------------------------------------------------------------

struct IaffidRow {
  std::vector<uint32_t> ids;
  uint32_t field;  // bits - 1
};

class IaffidBitsTest : public testing::TestWithParam<IaffidRow> {};
INSTANTIATE_TEST_SUITE_P(Ids, IaffidBitsTest,
                         testing::Values(IaffidRow{{0}, 0}, IaffidRow{{0, 1}, 0},
                                         IaffidRow{{0, 1, 2}, 1}, IaffidRow{{3}, 1},
                                         IaffidRow{{4, 0}, 2}, IaffidRow{{17, 3}, 4},
                                         IaffidRow{{31}, 4}, IaffidRow{{32}, 5},
                                         IaffidRow{{511}, 8}));

TEST_P(IaffidBitsTest, FollowTheHighestVcpuId) {
  TestVm vm({.vcpu_ids = GetParam().ids});
  vm.Init();
  EXPECT_EQ(vm.Irs(0x004) >> 16 & 0xf, GetParam().field);
  EXPECT_EQ(vm.Irs(0x004) & 0xffff, GetParam().ids.size());
}

TEST(DerivedTest, IdBitsAreAtMost16AndTheMinimumIsTheHosts) {
  TestVm wide({.limits = {.id_bits = 24, .min_lpi_id_bits = 14}});
  wide.Init();
  EXPECT_EQ(wide.Irs(0x008), 16u | 1 << 5 | 14 << 6);
  TestVm narrow({.limits = {.id_bits = 12, .min_lpi_id_bits = 5}});
  narrow.Init();
  EXPECT_EQ(narrow.Irs(0x008), 12u | 1 << 5 | 5 << 6);
}

TEST(DerivedTest, PriorityBitsAndPaRangeAreTheHosts) {
  TestVm vm({.limits = {.priority_bits = 4, .pa_range = 2}});
  vm.Init();
  EXPECT_EQ(vm.Irs(0x000), 1u | 2 << 2);
  EXPECT_EQ(vm.Irs(0x004) >> 20 & 7, 3u);
}

}  // namespace
}  // namespace firn::software::gicv5
