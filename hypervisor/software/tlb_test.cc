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

// Both halves of the address space have `tables`.
void TurnMmuOn(Guest& guest, unsigned vcpu, const Stage1Tables& tables) {
  guest.Set(vcpu, kvm::SysregId(reg::kMairEl1), Stage1Tables::kMair);
  guest.Set(vcpu, kvm::SysregId(reg::kTtbr0El1), tables.ttbr());
  guest.Set(vcpu, kvm::SysregId(reg::kTtbr1El1), tables.ttbr());
  constexpr uint64_t kLowerFields = 0xffff;
  guest.Set(vcpu, kvm::SysregId(reg::kTcrEl1),
            (tables.tcr(Stage1Tables::Half::kLower) & kLowerFields) |
                (tables.tcr(Stage1Tables::Half::kUpper) & ~kLowerFields));
  guest.Set(vcpu, kvm::SysregId(reg::kSctlrEl1), Stage1Tables::kSctlr);
}

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
    TurnMmuOn(guest_, 0, tables_);
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

// Two vCPUs, which share what the engine keeps of translations.
class TwoVcpusTlbTest : public ::testing::Test {
 protected:
  // Tables with the program, its report register and `kAddress` at the page `pa`.
  Stage1Tables Tables(uint64_t at, uint64_t pa) {
    constexpr uint64_t kBlock = 2 << 20;
    Stage1Tables tables(&guest_.memory(), GuestAddress(at), 12, 39);
    tables.Map(Guest::kMemory.value, Guest::kMemory.value, 2);
    tables.Map(kTables, kTables, 2);
    tables.Map(Guest::kReport.value & ~(kBlock - 1), Guest::kReport.value & ~(kBlock - 1), 2);
    descriptor_ = tables.Map(kAddress, pa, 3);
    return tables;
  }
  template <typename T>
  void Store(uint64_t address, T value) {
    ASSERT_TRUE(guest_.memory().Store(GuestAddress(address), value).ok());
  }
  // A word, and a function that returns `result`.
  void Fill(uint64_t page, uint64_t word, uint32_t result) {
    Store(page, word);
    Store<uint32_t>(page + 8, 0xd2800000 | result << 5);  // movz x0, #result
    Store<uint32_t>(page + 12, 0xd65f03c0);               // ret
  }

  Guest guest_{"tlb", {.vcpu_ids = {0, 1}, .memory_size = 8 << 20}};
  GuestAddress descriptor_;
};

TEST_F(TwoVcpusTlbTest, EachHasItsOwnTables) {
  constexpr uint64_t kRounds = 100'000;  // of 8 instructions: several turns
  Fill(kOld, kOldFirst, 0x1a);
  Fill(kNew, kNewFirst, 0x1b);
  for (const unsigned vcpu : {0u, 1u}) {
    TurnMmuOn(guest_, vcpu, Tables(kTables + vcpu * 0x100000, vcpu == 0 ? kOld : kNew));
    guest_.Start(vcpu, "with_tables_of_its_own");
    guest_.Set(vcpu, kvm::CoreX(4), kAddress);
    guest_.Set(vcpu, kvm::CoreX(5), vcpu == 0 ? kOldFirst : kNewFirst);
    guest_.Set(vcpu, kvm::CoreX(6), kAddress + 8);
    guest_.Set(vcpu, kvm::CoreX(7), vcpu == 0 ? 0x1a : 0x1b);
    guest_.Set(vcpu, kvm::CoreX(8), kRounds);
  }
  ASSERT_TRUE(guest_.Run().powered_off());
  EXPECT_THAT(guest_.reports(), ::testing::UnorderedElementsAre(kOldFirst, kNewFirst));
}

// By the switch between the two, or as the TLBI dropped it for both.
TEST_F(TwoVcpusTlbTest, TlbiOfOneIsSeenByTheOther) {
  Fill(kOld, kOldFirst, 0);
  Fill(kNew, kNewFirst, 0);
  const Stage1Tables tables = Tables(kTables, kOld);
  for (const unsigned vcpu : {0u, 1u}) {
    TurnMmuOn(guest_, vcpu, tables);
    guest_.Start(vcpu, vcpu == 0 ? "change_for_other" : "read_around_change");
    guest_.Set(vcpu, kvm::CoreX(4), kAddress);
    guest_.Set(vcpu, kvm::CoreX(5), kAddress);
  }
  guest_.Set(0, kvm::CoreX(1), kAddress >> 12);
  guest_.Set(0, kvm::CoreX(2), descriptor_.value);
  guest_.Set(0, kvm::CoreX(3), *guest_.memory().Load<uint64_t>(descriptor_) - kOld + kNew);
  ASSERT_TRUE(guest_.Run().powered_off());
  EXPECT_THAT(guest_.reports(), ElementsAre(kOldFirst, kOldFirst, kNewFirst, kNewFirst));
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
