// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/id_registers.h"

#include <gtest/gtest.h>

#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

constexpr SystemRegister kPfr0{3, 0, 0, 4, 0}, kPfr1{3, 0, 0, 4, 1}, kPfr2{3, 0, 0, 4, 2};
constexpr SystemRegister kZfr0{3, 0, 0, 4, 4}, kSmfr0{3, 0, 0, 4, 5};
constexpr SystemRegister kDfr0{3, 0, 0, 5, 0};
constexpr SystemRegister kIsar0{3, 0, 0, 6, 0}, kIsar1{3, 0, 0, 6, 1}, kIsar2{3, 0, 0, 6, 2};
constexpr SystemRegister kMmfr0{3, 0, 0, 7, 0}, kMmfr1{3, 0, 0, 7, 1};

uint64_t Field(SystemRegister reg, unsigned shift, bool gic = true) {
  return IdRegisterValue(reg, gic) >> shift & 15;
}

TEST(IdRegistersTest, GcieSaysWhetherThereIsAGicv5) {
  EXPECT_EQ(IdRegisterValue(kPfr2, true), uint64_t{1} << 12);
  EXPECT_EQ(IdRegisterValue(kPfr2, false), 0u);
  EXPECT_EQ(Field(kPfr0, 24), 0u);  // GIC: no GICv3 system registers
}

TEST(IdRegistersTest, HiddenFeatures) {
  EXPECT_EQ(Field(kPfr0, 0), 1u);  // EL0 and EL1 in AArch64 only
  EXPECT_EQ(Field(kPfr0, 4), 1u);
  EXPECT_EQ(Field(kPfr0, 8), 0u);               // EL2
  EXPECT_EQ(Field(kPfr0, 12), 0u);              // EL3
  EXPECT_EQ(Field(kPfr0, 28), 0u);              // RAS
  EXPECT_EQ(Field(kPfr0, 32), 0u);              // SVE
  EXPECT_EQ(IdRegisterValue(kPfr1, true), 0u);  // BTI, MTE, SME, NMI
  EXPECT_EQ(IdRegisterValue(kZfr0, true), 0u);
  EXPECT_EQ(IdRegisterValue(kSmfr0, true), 0u);
  EXPECT_EQ(Field(kDfr0, 8), 0u);    // PMU
  EXPECT_EQ(Field(kIsar0, 60), 0u);  // RNDR
  EXPECT_EQ(Field(kIsar1, 4), 0u);   // APA
  EXPECT_EQ(Field(kIsar1, 8), 0u);   // API
  EXPECT_EQ(Field(kIsar1, 24), 0u);  // GPA
  EXPECT_EQ(Field(kIsar1, 28), 0u);  // GPI
  EXPECT_EQ(IdRegisterValue(kIsar2, true), 0u);
  EXPECT_EQ(Field(kMmfr1, 8), 0u);  // VH
}

TEST(IdRegistersTest, ShownFeatures) {
  EXPECT_EQ(Field(kPfr0, 56), 1u);   // CSV2
  EXPECT_EQ(Field(kPfr0, 60), 1u);   // CSV3
  EXPECT_EQ(Field(kIsar0, 20), 2u);  // LSE atomics
  EXPECT_EQ(Field(kMmfr0, 0), 2u);   // 40-bit physical addresses
  EXPECT_EQ(Field(kMmfr0, 4), 2u);   // 16-bit ASIDs
  EXPECT_EQ(Field(kMmfr0, 20), 1u);  // 16 KiB granule
  EXPECT_EQ(Field(kMmfr0, 24), 0u);  // 64 KiB granule
  EXPECT_EQ(Field(kMmfr0, 28), 0u);  // 4 KiB granule
}

TEST(IdRegistersTest, SpaceAndUnlistedRegisters) {
  EXPECT_TRUE(IsIdRegister(reg::kMidrEl1));
  EXPECT_TRUE(IsIdRegister(reg::kMpidrEl1));
  EXPECT_FALSE(IsIdRegister(reg::kSctlrEl1));
  EXPECT_FALSE(IsIdRegister(reg::kCtrEl0));
  EXPECT_EQ(IdRegisterValue({3, 0, 0, 1, 0}, true), 0u);  // AArch32
  for (const IdRegister& id : IdRegisters()) {
    EXPECT_TRUE(IsIdRegister(id.reg));
    EXPECT_NE(id.reg, reg::kMpidrEl1);
    EXPECT_NE(id.value, 0u);
    EXPECT_EQ(IdRegisterValue(id.reg, true), id.value);
  }
}

}  // namespace
}  // namespace firn::software
