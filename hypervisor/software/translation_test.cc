// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/translation.h"

#include <gtest/gtest.h>

#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/testing/stage1_tables.h"

namespace firn::software {
namespace {

using Half = Stage1Tables::Half;

constexpr uint64_t kMemoryBase = 0x40000000;
constexpr GuestAddress kTables(0x40100000);

struct Config {
  unsigned granule_bits;
  unsigned input_bits;
  Half half;
};

class TranslationTest : public ::testing::TestWithParam<Config> {
 protected:
  void SetUp() override {
    memory_ = *GuestMemory::Create({*GuestRange::Create(GuestAddress(kMemoryBase), 4 << 20)});
    engine_ = *Engine::Open({});
    map_ = *MemoryMap::Create(40, engine_.get());
    cpu_ = *EngineCpu::Create(engine_.get(), nullptr);
    ASSERT_TRUE(map_->SetSlot({.slot = 0,
                               .address = GuestAddress(kMemoryBase),
                               .size = 4 << 20,
                               .host = memory_->regions()[0].host})
                    .ok());
  }
  void TurnOn(const Stage1Tables& tables, Half half) {
    cpu_->WriteSystemRegister(reg::kMairEl1, Stage1Tables::kMair);
    cpu_->WriteSystemRegister(reg::kTcrEl1, tables.tcr(half));
    cpu_->WriteSystemRegister(half == Half::kUpper ? reg::kTtbr1El1 : reg::kTtbr0El1,
                              tables.ttbr());
    cpu_->WriteSystemRegister(reg::kSctlrEl1, Stage1Tables::kSctlr);
  }
  std::optional<uint64_t> Translate(uint64_t va) {
    const auto address = TranslateStage1(*cpu_, *map_, va);
    if (!address) return std::nullopt;
    return address->value;
  }

  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<MemoryMap> map_;
  std::unique_ptr<EngineCpu> cpu_;
};

TEST_P(TranslationTest, PagesBlocksAndHoles) {
  const Config& config = GetParam();
  const uint64_t top = config.half == Half::kUpper ? ~((uint64_t{1} << config.input_bits) - 1) : 0;
  const uint64_t page = uint64_t{1} << config.granule_bits;
  const uint64_t block = page << (config.granule_bits - 3);
  Stage1Tables tables(memory_.get(), kTables, config.granule_bits, config.input_bits);
  const uint64_t last = top | ((uint64_t{1} << config.input_bits) - page);
  tables.Map(top + 4 * block, kMemoryBase, 3);
  tables.Map(top + 4 * block + 3 * page, kMemoryBase + page, 3);
  tables.Map(top + 8 * block, 4 * block, 2);
  tables.Map(last, kMemoryBase + 2 * page, 3);
  TurnOn(tables, config.half);

  EXPECT_EQ(Translate(top + 4 * block), kMemoryBase);
  EXPECT_EQ(Translate(top + 4 * block + page - 1), kMemoryBase + page - 1);
  EXPECT_EQ(Translate(top + 4 * block + page), std::nullopt);
  EXPECT_EQ(Translate(top + 4 * block + 3 * page + 0x123), kMemoryBase + page + 0x123);
  EXPECT_EQ(Translate(top + 8 * block + 0x1234), 4 * block + 0x1234);
  EXPECT_EQ(Translate(top + 9 * block - 1), 5 * block - 1);
  EXPECT_EQ(Translate(top + 9 * block), std::nullopt);
  EXPECT_EQ(Translate(last + 5), kMemoryBase + 2 * page + 5);
  EXPECT_EQ(Translate(top), std::nullopt);

  const bool small_pages = config.granule_bits == 12;
  for (uint64_t va : {top + 4 * block, top + 4 * block + page, last}) {
    EXPECT_EQ(IsInPageTable(*cpu_, *map_, va), small_pages);
  }
  EXPECT_FALSE(IsInPageTable(*cpu_, *map_, top + 8 * block));  // a block
  EXPECT_FALSE(IsInPageTable(*cpu_, *map_, top));              // nothing
}

TEST_P(TranslationTest, FetchesInstructions) {
  const Config& config = GetParam();
  const uint64_t top = config.half == Half::kUpper ? ~((uint64_t{1} << config.input_bits) - 1) : 0;
  const uint64_t page = uint64_t{1} << config.granule_bits;
  Stage1Tables tables(memory_.get(), kTables, config.granule_bits, config.input_bits);
  tables.Map(top, kMemoryBase, 3);
  tables.Map(top + page, 0x09000000, 3);  // no memory
  TurnOn(tables, config.half);
  ASSERT_TRUE(memory_->Store<uint32_t>(GuestAddress(kMemoryBase + 8), 0xd503201f).ok());
  EXPECT_EQ(FetchInstruction(*cpu_, *map_, top + 8), 0xd503201f);
  EXPECT_EQ(FetchInstruction(*cpu_, *map_, top + page), std::nullopt);
  EXPECT_EQ(FetchInstruction(*cpu_, *map_, top + 2 * page), std::nullopt);
}

// Tables that the guest fills with anything, or puts nowhere.
TEST_P(TranslationTest, HostileTables) {
  const Config& config = GetParam();
  const uint64_t top = config.half == Half::kUpper ? ~((uint64_t{1} << config.input_bits) - 1) : 0;
  Stage1Tables tables(memory_.get(), kTables, config.granule_bits, config.input_bits);
  tables.Map(top, kMemoryBase, 3);
  TurnOn(tables, config.half);
  // A level 3 descriptor of type block is reserved.
  uint64_t leaf_table = tables.ttbr();
  while (true) {
    const uint64_t next = *memory_->Load<uint64_t>(GuestAddress(leaf_table)) & ~uint64_t{0xfff};
    if (next == kMemoryBase) break;
    leaf_table = next;
  }
  ASSERT_TRUE(memory_->Store<uint64_t>(GuestAddress(leaf_table), kMemoryBase | 1).ok());
  EXPECT_EQ(Translate(top), std::nullopt);
  // The root points out of memory.
  ASSERT_TRUE(memory_->Store<uint64_t>(GuestAddress(tables.ttbr()), 0xffff'ffff'f003).ok());
  EXPECT_EQ(Translate(top), std::nullopt);
  cpu_->WriteSystemRegister(config.half == Half::kUpper ? reg::kTtbr1El1 : reg::kTtbr0El1,
                            0xffff'ffff'0000);
  EXPECT_EQ(Translate(top), std::nullopt);
  // TxSZ of 0 and of 63.
  for (uint64_t size : {0u, 63u}) {
    const uint64_t tcr = tables.tcr(config.half);
    cpu_->WriteSystemRegister(reg::kTcrEl1, (tcr & ~uint64_t{0x3f003f}) | size << 16 | size);
    EXPECT_EQ(Translate(top), std::nullopt);
  }
}

TEST_P(TranslationTest, OffIsIdentity) { EXPECT_EQ(Translate(0x12345678), 0x12345678); }

INSTANTIATE_TEST_SUITE_P(
    Granules, TranslationTest,
    ::testing::Values(Config{12, 39, Half::kLower}, Config{12, 48, Half::kLower},
                      Config{12, 48, Half::kUpper}, Config{12, 36, Half::kUpper},
                      Config{14, 47, Half::kLower}, Config{14, 48, Half::kUpper},
                      Config{14, 36, Half::kUpper}, Config{16, 42, Half::kLower},
                      Config{16, 48, Half::kLower}, Config{16, 48, Half::kUpper}),
    [](const auto& info) {
      return "Granule" + std::to_string(info.param.granule_bits) + "Input" +
             std::to_string(info.param.input_bits) +
             (info.param.half == Half::kUpper ? "Upper" : "Lower");
    });

}  // namespace
}  // namespace firn::software
