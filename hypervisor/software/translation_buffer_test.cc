// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// More code than Unicorn has room for the translation of.
#include "hypervisor/software/translation_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "hypervisor/software/engine_cpu.h"

namespace firn::software {
namespace {

constexpr uint64_t kCode = 0x40000000, kCodeSize = 96 << 10, kData = kCode + kCodeSize;
constexpr uint64_t kMemorySize = kCodeSize + 4096;
constexpr uint32_t kLd4 = 0x4c400000;           // LD4 {v0.16b-v3.16b}, [x0]: 64 loads
constexpr uint32_t kAdd = 0x91000421;           // ADD x1, x1, #1
constexpr uint32_t kBranchToNext = 0x14000001;  // B .+4
constexpr uint32_t kSvc = 0xd4000001;

class CountingClient final : public EngineClient {
 public:
  void OnCountdown(uint64_t) override {}
  void OnException(Exception) override { cpu->Stop(); }
  bool OnMrs(SystemRegister, uint64_t*) override { return false; }
  bool OnMsr(SystemRegister, uint64_t) override { return false; }
  void OnSys(SystemRegister, uint64_t) override {}
  void OnTranslated(uint64_t, uint32_t) override { ++blocks; }

  EngineCpu* cpu = nullptr;
  unsigned blocks = 0;
};

TEST(TranslationBufferTest, IsEmptiedWhenItIsFull) {
  const std::unique_ptr<void, decltype(&free)> memory(aligned_alloc(4096, kMemorySize), &free);
  auto* const words = static_cast<uint32_t*>(memory.get());
  constexpr size_t kCount = kCodeSize / sizeof(uint32_t), kBlock = 16;
  std::fill_n(words, kCount, kLd4);
  uint64_t adds = 0;
  for (size_t n = kBlock; n < kCount - 1; n += kBlock) {
    words[n - 1] = kBranchToNext;
    words[n] = kAdd;
    ++adds;
  }
  words[kCount - 1] = kSvc;

  const std::unique_ptr<Engine> engine = *Engine::Open(*Engine::Calibrate());
  ASSERT_TRUE(engine->MapMemory(kCode, kMemorySize, static_cast<std::byte*>(memory.get())).ok());
  CountingClient client;
  const std::unique_ptr<EngineCpu> cpu = *EngineCpu::Create(engine.get(), &client);
  client.cpu = cpu.get();
  cpu->WriteSystemRegister(reg::kCpacrEl1, 3 << 20);
  cpu->SetX(0, kData);
  for (uint64_t run = 1; run <= 2; ++run) {
    client.blocks = 0;
    cpu->block_count().countdown = INT64_MAX;
    cpu->SetPc(kCode);
    bool stopped = false;
    const absl::Status status = cpu->Run(&stopped);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(stopped);
    EXPECT_EQ(cpu->pc(), kCode + kCodeSize);
    EXPECT_EQ(cpu->X(1), run * adds);
    // There was no room for all of a run.
    EXPECT_GT(client.blocks, adds / 2);
  }
}

TEST(TranslationBufferTest, ClearedMemoryIsZeroAndGivenBack) {
  constexpr size_t kPages = 8, kPage = 4096, kSize = kPages * kPage;
  auto* const pages = static_cast<std::byte*>(
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  for (const size_t begin : {size_t{0}, size_t{100}, 2 * kPage, 3 * kPage - 1}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{50}, kPage, 2 * kPage + 7, 4 * kPage}) {
      SCOPED_TRACE(begin);
      SCOPED_TRACE(size);
      memset(pages, 0x55, kSize);
      ClearMemory(pages + begin, size);
      for (size_t n = 0; n < kSize; ++n) {
        const bool cleared = n >= begin && n < begin + size;
        ASSERT_EQ(pages[n], std::byte{cleared ? uint8_t{0} : uint8_t{0x55}}) << n;
      }
    }
  }
  memset(pages, 0x55, kSize);
  ClearMemory(pages, kSize);
  unsigned char resident[kPages];
  ASSERT_EQ(mincore(pages, kSize, resident), 0);
  for (const unsigned char page : resident) EXPECT_EQ(page & 1, 0);
  // What cannot be given back is cleared all the same.
  memset(pages, 0x55, kSize);
  if (mlock(pages, kSize) == 0) {
    ClearMemory(pages, kSize);
    EXPECT_EQ(std::count(pages, pages + kSize, std::byte{0}), static_cast<ptrdiff_t>(kSize));
  }
  munmap(pages, kSize);
}

}  // namespace
}  // namespace firn::software
