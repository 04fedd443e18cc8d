// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// After a TLBI by an address, neither the page nor any part of the block that was there is seen
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "absl/strings/str_cat.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/testing/guest_fixture.h"
#include "hypervisor/software/testing/stage1_tables.h"

namespace firn::software {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kTables = 0x40200000, kOld = 0x40400000, kNew = 0x40600000;
constexpr uint64_t kAddress = 0x80000000;
constexpr uint64_t kUpperHalf = 0xffff'ff80'0000'0000;

// Values that tell where they were read.
constexpr uint64_t kOldFirst = 0xa1, kOldSecond = 0xa2, kNewFirst = 0xb1, kNewSecond = 0xb2;

// The instruction, the half of the address space, flags of the slot.
using Case = std::tuple<const char*, bool, uint32_t>;

class TlbTest : public ::testing::TestWithParam<Case> {
 protected:
  explicit TlbTest(unsigned granule_bits = 12)
      : block_(uint64_t{1} << (2 * granule_bits - 3)),
        tables_(&guest_.memory(), GuestAddress(kTables), granule_bits, 39) {
    Store(kOld, kOldFirst);
    Store(kOld + kPage, kOldSecond);
    Store(kNew, kNewFirst);
    Store(kNew + kPage, kNewSecond);
    for (uint64_t block = Guest::kMemory.value; block < kOld; block += block_) {
      tables_.Map(block, block, 2);
    }
    const uint64_t devices = Guest::kReport.value & ~(block_ - 1);
    tables_.Map(devices, devices, 2);
  }

  void Store(uint64_t address, uint64_t value) {
    ASSERT_TRUE(guest_.memory().Store(GuestAddress(address), value).ok());
  }

  // Runs the program, which reads at kAddress and in the page behind it, in its half of the address
  // space, and changes `descriptor`; returns what it read.
  std::vector<uint64_t> Change(GuestAddress descriptor, uint64_t value) {
    const uint64_t address = kAddress | (std::get<1>(GetParam()) ? kUpperHalf : 0);
    guest_.Set(0, kvm::SysregId(reg::kMairEl1), Stage1Tables::kMair);
    guest_.Set(0, kvm::SysregId(reg::kTtbr0El1), tables_.ttbr());
    guest_.Set(0, kvm::SysregId(reg::kTtbr1El1), tables_.ttbr());
    // Both halves of the address space have these tables.
    constexpr uint64_t kLowerFields = 0xffff;
    guest_.Set(0, kvm::SysregId(reg::kTcrEl1),
               (tables_.tcr(Stage1Tables::Half::kLower) & kLowerFields) |
                   (tables_.tcr(Stage1Tables::Half::kUpper) & ~kLowerFields));
    guest_.Set(0, kvm::SysregId(reg::kSctlrEl1), Stage1Tables::kSctlr);
    guest_.Start(0, std::get<0>(GetParam()));
    guest_.Set(0, kvm::CoreX(1), address >> 12 & 0xfff'ffff'ffff);
    guest_.Set(0, kvm::CoreX(2), descriptor.value);
    guest_.Set(0, kvm::CoreX(3), value);
    guest_.Set(0, kvm::CoreX(4), address);
    guest_.Set(0, kvm::CoreX(5), address + kPage);
    EXPECT_TRUE(guest_.Run().powered_off());
    return guest_.reports();
  }

  uint64_t Descriptor(GuestAddress at) { return *guest_.memory().Load<uint64_t>(at); }

  Guest guest_{"tlb", {.memory_size = 8 << 20, .memory_flags = std::get<2>(GetParam())}};
  const uint64_t block_;  // what an entry of level 2 maps
  Stage1Tables tables_;
};

class LargePageTlbTest : public TlbTest {
 protected:
  LargePageTlbTest() : TlbTest(14) {}
};

TEST_P(TlbTest, Page) {
  const GuestAddress descriptor = tables_.Map(kAddress, kOld, 3);
  tables_.Map(kAddress + kPage, kOld + kPage, 3);
  const uint64_t value = Descriptor(descriptor) - kOld + kNew;
  EXPECT_THAT(Change(descriptor, value), ElementsAre(kOldFirst, kOldSecond, kNewFirst, kOldSecond));
}

TEST_P(TlbTest, Block) {
  const GuestAddress descriptor = tables_.Map(kAddress, kOld, 2);
  const uint64_t value = Descriptor(descriptor) - kOld + kNew;
  EXPECT_THAT(Change(descriptor, value), ElementsAre(kOldFirst, kOldSecond, kNewFirst, kNewSecond));
}

// As Linux splits a huge page.
TEST_P(TlbTest, BlockBecomesTable) {
  const uint64_t elsewhere = kAddress + block_;
  const GuestAddress page = tables_.Map(elsewhere, kNew, 3);
  tables_.Map(elsewhere + kPage, kNew + kPage, 3);
  const GuestAddress descriptor = tables_.Map(kAddress, kOld, 2);
  constexpr uint64_t kTable = 3;
  const uint64_t table = (page.value & ~(kPage - 1)) | kTable;
  EXPECT_THAT(Change(descriptor, table), ElementsAre(kOldFirst, kOldSecond, kNewFirst, kNewSecond));
}

// A page of 16 KiB is four of the engine's.
TEST_P(LargePageTlbTest, Page) {
  const GuestAddress descriptor = tables_.Map(kAddress, kOld, 3);
  const uint64_t value = Descriptor(descriptor) - kOld + kNew;
  EXPECT_THAT(Change(descriptor, value), ElementsAre(kOldFirst, kOldSecond, kNewFirst, kNewSecond));
}

const auto kCases = ::testing::Combine(
    ::testing::Values("by_vae1", "by_vae1is", "by_vaae1", "by_vaae1is", "by_vale1", "by_vale1is",
                      "by_vaale1", "by_vaale1is"),
    ::testing::Bool(), ::testing::Values(0u, static_cast<uint32_t>(kvm::kMemLogDirtyPages)));

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  return absl::StrCat(std::get<0>(info.param), std::get<1>(info.param) ? "_upper" : "_lower",
                      std::get<2>(info.param) != 0 ? "_logged" : "");
}

INSTANTIATE_TEST_SUITE_P(All, TlbTest, kCases, NameOf);
INSTANTIATE_TEST_SUITE_P(All, LargePageTlbTest, kCases, NameOf);

}  // namespace
}  // namespace firn::software
