// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What Unicorn notes of translated blocks does not grow with them.
#include "hypervisor/software/hooked_regions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "hypervisor/software/engine_cpu.h"

namespace firn::software {
namespace {

constexpr uint64_t kCodeAddress = 0x40000000;
constexpr uint32_t kBranchToNext = 0x14000001;  // B .+4: a block of its own
constexpr uint32_t kSvc = 0xd4000001;

// Stops at an exception; counts blocks.
class CountingClient final : public EngineClient {
 public:
  void OnCountdown(uint64_t) override {}
  void OnException(Exception) override { cpu->Stop(); }
  bool OnMrs(SystemRegister, uint64_t*) override { return false; }
  bool OnMsr(SystemRegister, uint64_t) override { return false; }
  void OnSys(SystemRegister, uint64_t) override {}
  void OnTranslated(uint64_t, uint32_t) override {
    ++blocks;
    most_regions = std::max(most_regions, engine->hooked_regions().size());
  }

  Engine* engine = nullptr;
  EngineCpu* cpu = nullptr;
  unsigned blocks = 0;
  unsigned most_regions = 0;
};

// Executes `blocks` blocks that follow each other, and one before. (The client is not told of the
// first block of a run.)
void Execute(unsigned blocks, CountingClient& client) {
  std::vector<uint32_t> code(blocks, kBranchToNext);
  code.push_back(kSvc);
  const size_t size = (code.size() * sizeof(uint32_t) + 4095) / 4096 * 4096;
  const std::unique_ptr<void, decltype(&free)> memory(aligned_alloc(4096, size), &free);
  memcpy(memory.get(), code.data(), code.size() * sizeof(uint32_t));

  const absl::StatusOr<EngineLayout> layout = Engine::Calibrate();
  ASSERT_TRUE(layout.ok()) << layout.status();
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(*layout);
  ASSERT_TRUE(engine.ok()) << engine.status();
  absl::StatusOr<std::unique_ptr<EngineCpu>> cpu = EngineCpu::Create(engine->get(), &client);
  ASSERT_TRUE(cpu.ok()) << cpu.status();
  client.engine = engine->get();
  client.cpu = cpu->get();
  ASSERT_TRUE((*engine)->MapMemory(kCodeAddress, size, static_cast<std::byte*>(memory.get())).ok());
  (*cpu)->block_count().countdown = INT64_MAX;
  (*cpu)->SetPc(kCodeAddress);
  bool stopped = false;
  const absl::Status status = (*cpu)->Run(&stopped);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(stopped);
}

TEST(HookedRegionsTest, HoldsEachTranslatedBlock) {
  CountingClient client;
  Execute(100, client);
  EXPECT_EQ(client.blocks, 100u);
  EXPECT_EQ(client.most_regions, 101u);
}

TEST(HookedRegionsTest, IsBounded) {
  CountingClient client;
  Execute(5 * HookedRegions::kLimit, client);
  EXPECT_EQ(client.blocks, 5 * HookedRegions::kLimit);
  EXPECT_LT(client.most_regions, HookedRegions::kLimit);
  EXPECT_GE(client.most_regions, HookedRegions::kLimit / 2);
}

TEST(HookedRegionsTest, HookOfOthersIsNotFound) {
  uc_engine* uc = nullptr;
  ASSERT_EQ(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc), UC_ERR_OK);
  int user = 0, other = 0;
  uc_hook hook = 0;
  const auto callback = +[](uc_engine*, uint64_t, uint32_t, void*) {};
  void* const function = reinterpret_cast<void*>(callback);
  ASSERT_EQ(uc_hook_add(uc, &hook, UC_HOOK_BLOCK, function, &user, 1, 0), UC_ERR_OK);
  EXPECT_TRUE(HookedRegions::FindOffset(hook, function, &user).has_value());
  EXPECT_FALSE(HookedRegions::FindOffset(hook, function, &other).has_value());
  EXPECT_FALSE(HookedRegions::FindOffset(hook, &other, &user).has_value());
  uc_close(uc);
}

}  // namespace
}  // namespace firn::software
