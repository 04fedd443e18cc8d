// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Code that the guest, or the host on its behalf, changes: after the maintenance that the
// architecture wants, the new instructions execute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/testing/guest_fixture.h"
#include "hypervisor/software/testing/stage1_tables.h"

namespace firn::software {
namespace {

constexpr uint64_t kAlias = 0x80000000;
constexpr uint64_t kRounds = 20;

std::vector<uint64_t> ZeroTo(uint64_t last) {
  std::vector<uint64_t> numbers;
  for (uint64_t n = 0; n <= last; ++n) numbers.push_back(n);
  return numbers;
}

class CodeChangesTest : public ::testing::TestWithParam<const char*> {
 protected:
  // The MMU on, with memory and the report register mapped, and memory at kAlias once more.
  static void TurnMmuOn(Guest& guest, unsigned vcpu = 0) {
    constexpr uint64_t kBlock = 2 << 20;
    Stage1Tables tables(&guest.memory(), GuestAddress(0x40200000), 12, 39);
    tables.Map(Guest::kMemory.value, Guest::kMemory.value, 2);
    tables.Map(kAlias, Guest::kMemory.value, 2);
    tables.Map(Guest::kReport.value & ~(kBlock - 1), Guest::kReport.value & ~(kBlock - 1), 2);
    guest.Set(vcpu, kvm::SysregId(reg::kMairEl1), Stage1Tables::kMair);
    guest.Set(vcpu, kvm::SysregId(reg::kTtbr0El1), tables.ttbr());
    guest.Set(vcpu, kvm::SysregId(reg::kTcrEl1), tables.tcr(Stage1Tables::Half::kLower));
    guest.Set(vcpu, kvm::SysregId(reg::kSctlrEl1), Stage1Tables::kSctlr);
  }
  static void Start(Guest& guest, std::string_view label, bool alias) {
    const uint64_t function = guest.Symbol("function");
    guest.Start(0, label);
    guest.Set(0, kvm::CoreX(5), function);
    guest.Set(0, kvm::CoreX(6), alias ? function - Guest::kMemory.value + kAlias : function);
    guest.Set(0, kvm::CoreX(7), kRounds);
  }
};

TEST_P(CodeChangesTest, SameVirtualAddress) {
  Guest guest("code");
  Start(guest, GetParam(), /*alias=*/false);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports(), ZeroTo(kRounds));
}

TEST_P(CodeChangesTest, ThroughAnotherAlias) {
  Guest guest("code");
  Start(guest, GetParam(), /*alias=*/true);
  TurnMmuOn(guest);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports(), ZeroTo(kRounds));
}

INSTANTIATE_TEST_SUITE_P(All, CodeChangesTest,
                         ::testing::Values("by_ivau", "by_ivau_alias", "by_iallu", "by_ialluis"),
                         [](const auto& info) { return info.param; });

// A device changes code whose physical address is the virtual one of something else, which the
// guest has used before, or not.
class MappedOtherwiseTest : public ::testing::TestWithParam<bool> {};

TEST_P(MappedOtherwiseTest, NeitherCodeNorMappingIsStale) {
  constexpr uint64_t kCode = 0x40600000, kOther = 0x40601000;
  constexpr uint64_t kOtherWord = 0xabcd;
  constexpr GuestAddress kDevice(Guest::kReport.value + 8);
  Guest guest("code", {.memory_size = 8 << 20});
  ASSERT_TRUE(guest.memory().Store<uint32_t>(GuestAddress(kCode), 0xd2800000).ok());  // movz x0, #0
  ASSERT_TRUE(guest.memory().Store<uint32_t>(GuestAddress(kCode + 4), 0xd65f03c0).ok());  // ret
  ASSERT_TRUE(guest.memory().Store(GuestAddress(kOther), kOtherWord).ok());
  constexpr uint64_t kBlock = 2 << 20;
  Stage1Tables tables(&guest.memory(), GuestAddress(0x40200000), 12, 39);
  tables.Map(Guest::kMemory.value, Guest::kMemory.value, 2);
  tables.Map(Guest::kReport.value & ~(kBlock - 1), Guest::kReport.value & ~(kBlock - 1), 2);
  tables.Map(kAlias, kCode);
  tables.Map(kCode, kOther);
  guest.OnMmio(kDevice, [&](unsigned, MmioExit& exit) {
    const auto instruction = static_cast<uint32_t>(MmioValue(exit));
    EXPECT_TRUE(guest.memory().Store(GuestAddress(kCode), instruction).ok());
  });
  guest.Set(0, kvm::SysregId(reg::kMairEl1), Stage1Tables::kMair);
  guest.Set(0, kvm::SysregId(reg::kTtbr0El1), tables.ttbr());
  guest.Set(0, kvm::SysregId(reg::kTcrEl1), tables.tcr(Stage1Tables::Half::kLower));
  guest.Set(0, kvm::SysregId(reg::kSctlrEl1), Stage1Tables::kSctlr);
  guest.Start(0, "change_and_read");
  guest.Set(0, kvm::CoreX(4), kCode);
  guest.Set(0, kvm::CoreX(5), kAlias);
  guest.Set(0, kvm::CoreX(6), kDevice.value);
  guest.Set(0, kvm::CoreX(8), GetParam() ? 1 : 0);
  ASSERT_TRUE(guest.Run().powered_off());
  std::vector<uint64_t> expected = {0, 1, kOtherWord};
  if (GetParam()) expected.insert(expected.begin(), kOtherWord);
  EXPECT_EQ(guest.reports(), expected);
}

INSTANTIATE_TEST_SUITE_P(All, MappedOtherwiseTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "used" : "unused"; });

TEST_F(CodeChangesTest, OtherVcpuExecutesTheNewCode) {
  Guest guest("code", {.vcpu_ids = {0, 1}});
  Start(guest, "change_for_other", /*alias=*/false);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports(), ZeroTo(kRounds));
}

TEST_F(CodeChangesTest, OtherVcpuExecutesCodeChangedThroughAnAlias) {
  Guest guest("code", {.vcpu_ids = {0, 1}});
  Start(guest, "change_for_other", /*alias=*/true);
  TurnMmuOn(guest);  // vCPU 1 stays without
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports(), ZeroTo(kRounds));
}

// A device, or the host, changes code that was translated: the engine does not see it.
class DeviceChangesCodeTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Not among the 2 MiB of stage 2 that are mapped with the program.
  static constexpr uint64_t kFunction = 0x40600000, kPages = 0x40800000;

  DeviceChangesCodeTest() {
    Store(kFunction + 4, kRet);
    SetResult(9);
  }

  // movz x0, #result
  void SetResult(uint32_t result) { Store(kFunction, 0xd2800000 | result << 5); }

  void Run(std::string_view label, uint64_t pages = 0) {
    for (uint64_t n = 0; n < pages; ++n) Store(kPages + n * 4096, kRet);
    guest_.Start(0, label);
    guest_.Set(0, kvm::CoreX(5), kFunction);
    guest_.Set(0, kvm::CoreX(9), pages);
    guest_.Set(0, kvm::CoreX(10), kPages);
    ASSERT_TRUE(guest_.Run().powered_off());
  }

  Guest guest_{"code", {.memory_size = 16 << 20}};

 private:
  static constexpr uint32_t kRet = 0xd65f03c0;

  void Store(uint64_t address, uint32_t instruction) {
    ASSERT_TRUE(guest_.memory().Store(GuestAddress(address), instruction).ok());
  }
};

TEST_P(DeviceChangesCodeTest, AmongFewPages) {
  Run("call_pages");
  SetResult(10);
  Run(GetParam());
  EXPECT_THAT(guest_.reports(), ::testing::ElementsAre(9, 10));
}

// So many that it costs less to drop all code.
TEST_P(DeviceChangesCodeTest, AmongManyPages) {
  Run("call_pages", 1000);
  SetResult(10);
  Run(GetParam());
  EXPECT_THAT(guest_.reports(), ::testing::ElementsAre(9, 10));
}

// Stage 2 is mapped again when the page is next used.
TEST_P(DeviceChangesCodeTest, BehindASlotThatIsAdded) {
  Run("call_pages");
  std::unique_ptr<GuestMemory> extra =
      *GuestMemory::Create({*GuestRange::Create(GuestAddress(0), 4096)});
  ASSERT_TRUE(guest_.vm()
                  .SetMemorySlot({7, 0, GuestAddress(0x80000000), 4096, extra->regions()[0].host})
                  .ok());
  SetResult(10);
  Run(GetParam());
  EXPECT_THAT(guest_.reports(), ::testing::ElementsAre(9, 10));
}

INSTANTIATE_TEST_SUITE_P(All, DeviceChangesCodeTest,
                         ::testing::Values("call_after_ivau", "call_after_iallu",
                                           "call_after_ialluis"),
                         [](const auto& info) { return info.param; });

// What a page must be for its translations to be dropped: memory. The guest may name any address.
TEST_F(CodeChangesTest, FlushOfWhatIsNoMemoryIsHarmless) {
  for (uint64_t address :
       {uint64_t{0}, uint64_t{0x09000000}, uint64_t{0x20000000}, (uint64_t{1} << 40) - 4,
        uint64_t{1} << 40, uint64_t{1} << 41, ~uint64_t{3}}) {
    SCOPED_TRACE(address);
    Guest guest("code");
    guest.Start(0, "flush_bad");
    guest.Set(0, kvm::CoreX(1), address);
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(guest.reports(), ::testing::ElementsAre(address));
  }
}

// A vCPU that starts at an address that is no memory takes an abort; flushing that address then
// must not touch it either.
TEST_F(CodeChangesTest, FlushOfAStartAddressThatIsNoMemoryIsHarmless) {
  for (uint64_t address :
       {uint64_t{0}, uint64_t{0x20000000}, uint64_t{1} << 40, (uint64_t{1} << 40) + 0x1000}) {
    SCOPED_TRACE(address);
    Guest guest("code");
    guest.Start(0, "flush_bad");
    guest.Set(0, kvm::CoreX(1), address);
    guest.Set(0, kvm::kCorePc, address);
    // The abort's vector goes straight to the program.
    const uint64_t vector = guest.Symbol("vectors") + 0x200;
    const auto branch =
        static_cast<uint32_t>(0x14000000 | ((guest.Symbol("flush_bad") - vector) / 4 & 0x3ffffff));
    ASSERT_TRUE(guest.memory().Store<uint32_t>(GuestAddress(vector), branch).ok());
    ASSERT_TRUE(guest.Run().powered_off());
    EXPECT_THAT(guest.reports(), ::testing::ElementsAre(address));
  }
}

// Code was translated, then its slot went away; a flush of the address finds nothing.
TEST_F(CodeChangesTest, FlushOfADeletedSlotIsHarmless) {
  Guest guest("code");
  std::unique_ptr<GuestMemory> extra =
      *GuestMemory::Create({*GuestRange::Create(GuestAddress(0), 4096)});
  const auto set = [&](uint64_t size) {
    return guest.vm().SetMemorySlot(
        {7, 0, GuestAddress(0x80000000), size, extra->regions()[0].host});
  };
  ASSERT_TRUE(set(4096).ok());
  ASSERT_TRUE(extra->Store<uint32_t>(GuestAddress(0), 0xd2800120).ok());  // movz x0, #9
  ASSERT_TRUE(extra->Store<uint32_t>(GuestAddress(4), 0xd65f03c0).ok());  // ret
  guest.Start(0, "by_ivau");
  guest.Set(0, kvm::CoreX(5), 0x80000000);
  guest.Set(0, kvm::CoreX(7), 0);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_THAT(guest.reports(), ::testing::ElementsAre(9));

  ASSERT_TRUE(set(0).ok());
  guest.Start(0, "flush_bad");
  guest.Set(0, kvm::CoreX(1), 0x80000000);
  ASSERT_TRUE(guest.Run().powered_off());

  // And other memory at the same address is other code.
  ASSERT_TRUE(set(4096).ok());
  ASSERT_TRUE(extra->Store<uint32_t>(GuestAddress(0), 0xd2800140).ok());  // movz x0, #10
  guest.Start(0, "by_ivau");
  guest.Set(0, kvm::CoreX(5), 0x80000000);
  guest.Set(0, kvm::CoreX(7), 0);
  ASSERT_TRUE(guest.Run().powered_off());
  EXPECT_EQ(guest.reports().back(), 10u);
}

}  // namespace
}  // namespace firn::software
