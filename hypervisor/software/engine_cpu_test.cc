// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// CPUs of one engine: each with its registers, all with what was translated.
#include "hypervisor/software/engine_cpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

constexpr uint64_t kCode = 0x40000000, kSize = 4096, kData = kCode + 0x800;
constexpr uint32_t kBranchToNext = 0x14000001;  // B .+4: a block of its own
constexpr uint32_t kSvc = 0xd4000001;
constexpr uint32_t kLdxr = 0xc85f7c01;      // LDXR x1, [x0]
constexpr uint32_t kStxr = 0xc8027c01;      // STXR w2, x1, [x0]
constexpr uint32_t kMrsTpidr = 0xd538d083;  // MRS x3, TPIDR_EL1: undefined at EL0
constexpr uint64_t kDone = 0, kRefused = 1;
constexpr uint32_t kFpcrFz = 1u << 24, kFpcrDn = 1u << 25;
constexpr uint32_t kEl0t = 0x3c0, kEl1h = 0x3c5;

// Stops at an exception, after `at_exception`; counts translated blocks.
class TestClient final : public EngineClient {
 public:
  void OnCountdown(uint64_t) override {}
  void OnException(Exception exception) override {
    if (at_exception) at_exception(exception);
    cpu->Stop();
  }
  bool OnMrs(SystemRegister, uint64_t*) override { return false; }
  bool OnMsr(SystemRegister, uint64_t) override { return false; }
  void OnSys(SystemRegister, uint64_t) override {}
  void OnTranslated(uint64_t, uint32_t) override { ++blocks; }

  EngineCpu* cpu = nullptr;
  std::function<void(Exception)> at_exception;
  unsigned blocks = 0;
};

class EngineCpuTest : public ::testing::Test {
 protected:
  EngineCpuTest() : memory_(aligned_alloc(kSize, kSize), &free) {
    engine_ = *Engine::Open(*Engine::Calibrate());
    EXPECT_TRUE(engine_->MapMemory(kCode, kSize, static_cast<std::byte*>(memory_.get())).ok());
    for (size_t n = 0; n < cpus_.size(); ++n) {
      cpus_[n] = *EngineCpu::Create(engine_.get(), &clients_[n]);
      clients_[n].cpu = cpus_[n].get();
    }
  }

  void SetCode(const std::vector<uint32_t>& code) {
    memcpy(memory_.get(), code.data(), code.size() * sizeof(uint32_t));
  }
  // Executes from instruction `first` to the next exception.
  void Run(EngineCpu& cpu, size_t first = 0) {
    cpu.block_count().countdown = INT64_MAX;
    cpu.SetPc(kCode + first * sizeof(uint32_t));
    bool stopped = false;
    const absl::Status status = cpu.Run(&stopped);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_TRUE(stopped);
  }

  const std::unique_ptr<void, decltype(&free)> memory_;
  std::unique_ptr<Engine> engine_;
  std::array<TestClient, 2> clients_;
  std::array<std::unique_ptr<EngineCpu>, 2> cpus_;
  EngineCpu& first() { return *cpus_[0]; }
  EngineCpu& second() { return *cpus_[1]; }
};

constexpr SystemRegister kSystemRegisters[] = {reg::kTtbr0El1, reg::kTtbr1El1, reg::kTcrEl1,
                                               reg::kMairEl1,  reg::kVbarEl1,  reg::kTpidrEl1,
                                               reg::kElrEl1,   reg::kEsrEl1,   reg::kFarEl1};

std::array<std::byte, 16> Vector(uint8_t value) {
  std::array<std::byte, 16> vector;
  vector.fill(std::byte{value});
  return vector;
}

// Gives every register a value of its own, `seed` and up.
void SetRegisters(EngineCpu& cpu, uint8_t seed) {
  for (unsigned n = 0; n <= 30; ++n) cpu.SetX(n, seed + n);
  for (unsigned n = 0; n < 32; ++n) cpu.SetV(n, Vector(static_cast<uint8_t>(seed + n)));
  cpu.SetPc(kCode + 4 * seed);
  cpu.SetSp(seed * 16);
  cpu.SetBankedSpEl0(seed * 32);
  cpu.SetBankedSpEl1(seed * 64);
  cpu.SetFpsr(seed & 0xf);
  cpu.SetFpcr(seed & 1 ? kFpcrFz : kFpcrDn);
  for (const SystemRegister reg : kSystemRegisters) {
    // Not the low bits: some do not keep them.
    cpu.WriteSystemRegister(reg, seed * 0x10000);
  }
}

void ExpectRegisters(const EngineCpu& cpu, uint8_t seed) {
  for (unsigned n = 0; n <= 30; ++n) EXPECT_EQ(cpu.X(n), seed + n) << n;
  for (unsigned n = 0; n < 32; ++n) {
    EXPECT_EQ(cpu.V(n), Vector(static_cast<uint8_t>(seed + n))) << n;
  }
  EXPECT_EQ(cpu.pc(), kCode + 4 * seed);
  EXPECT_EQ(cpu.sp(), seed * 16u);
  EXPECT_EQ(cpu.banked_sp_el0(), seed * 32u);
  EXPECT_EQ(cpu.banked_sp_el1(), seed * 64u);
  EXPECT_EQ(cpu.fpsr(), seed & 0xf);
  EXPECT_EQ(cpu.fpcr(), seed & 1 ? kFpcrFz : kFpcrDn);
  for (const SystemRegister reg : kSystemRegisters) {
    EXPECT_EQ(cpu.ReadSystemRegister(reg), seed * 0x10000u) << reg.crn << " " << reg.crm;
  }
}

TEST_F(EngineCpuTest, EachHasItsRegisters) {
  SetRegisters(first(), 3);
  SetRegisters(second(), 77);
  ExpectRegisters(first(), 3);
  ExpectRegisters(second(), 77);
  SetRegisters(first(), 9);
  ExpectRegisters(second(), 77);
  ExpectRegisters(first(), 9);
}

TEST_F(EngineCpuTest, EachHasItsCountOfBlocks) {
  first().block_count() = {.countdown = 100, .start = 1, .end = 2};
  second().block_count() = {.countdown = 200, .start = 3, .end = 4};
  EXPECT_EQ(first().block_count().countdown, 100);
  EXPECT_EQ(second().block_count().start, 3u);
  EXPECT_EQ(first().block_count().end, 2u);
  for (EngineCpu* reset : {&first(), &second()}) {  // in the engine, and not
    reset->Reset();
    EXPECT_EQ(first().block_count().countdown, 100);
    EXPECT_EQ(second().block_count().countdown, 200);
  }
}

TEST_F(EngineCpuTest, OneTranslatesForAll) {
  constexpr unsigned kBlocks = 100;
  std::vector<uint32_t> code(kBlocks, kBranchToNext);
  code.push_back(kSvc);
  SetCode(code);
  Run(first());
  EXPECT_EQ(clients_[0].blocks, kBlocks);  // of the first it is not told
  Run(second());
  EXPECT_EQ(clients_[1].blocks, 0u);
}

// Each is told of its own exceptions and interrupts nobody else.
TEST_F(EngineCpuTest, ExceptionsGoToTheirOwnClient) {
  SetCode({kSvc});
  unsigned of_first = 0, of_second = 0;
  clients_[0].at_exception = [&](Exception) { ++of_first; };
  clients_[1].at_exception = [&](Exception) { ++of_second; };
  Run(second());
  EXPECT_EQ(of_first, 0u);
  EXPECT_EQ(of_second, 1u);
  Run(first());
  EXPECT_EQ(of_first, 1u);
}

// The same code, translated for each exception level.
TEST_F(EngineCpuTest, EachHasItsExceptionLevel) {
  SetCode({kMrsTpidr, kSvc});
  std::vector<Exception> taken[2];
  for (size_t n = 0; n < 2; ++n) {
    clients_[n].at_exception = [&, n](Exception exception) { taken[n].push_back(exception); };
    cpus_[n]->SetPstate(n == 0 ? kEl0t : kEl1h);
    cpus_[n]->WriteSystemRegister(reg::kSpsrEl1, 0);  // makes Unicorn see the new PSTATE
  }
  for (int round = 0; round < 2; ++round) {
    Run(first());
    Run(second());
  }
  using ::testing::ElementsAre;
  EXPECT_THAT(taken[0], ElementsAre(Exception::kUndefined, Exception::kUndefined));
  EXPECT_THAT(taken[1], ElementsAre(Exception::kSvc, Exception::kSvc));
  EXPECT_EQ(first().current_el(), 0u);
  EXPECT_EQ(second().current_el(), 1u);
}

// As PSCI CPU_ON does.
TEST_F(EngineCpuTest, OnePowersTheOtherOnWhileItExecutes) {
  SetCode({kSvc});
  SetRegisters(second(), 77);
  clients_[0].at_exception = [&](Exception) {
    second().Reset();
    second().SetEntry(kCode + 0x100, 0x1234);
  };
  first().SetX(0, 5);
  first().SetX(1, 6);
  Run(first());
  EXPECT_EQ(first().pc(), kCode + 4);
  EXPECT_EQ(first().X(0), 5u);
  EXPECT_EQ(first().X(1), 6u);
  EXPECT_EQ(second().pc(), kCode + 0x100);
  EXPECT_EQ(second().X(0), 0x1234u);
  EXPECT_EQ(second().X(1), 0u);
  EXPECT_EQ(second().ReadSystemRegister(reg::kTtbr0El1), 0u);
}

TEST_F(EngineCpuTest, ResetConcernsOne) {
  for (EngineCpu* reset : {&first(), &second()}) {
    EngineCpu& other = reset == &first() ? second() : first();
    for (EngineCpu* last : {&first(), &second()}) {
      SetRegisters(*reset, 3);
      SetRegisters(other, 77);
      last->X(0);  // its registers are in the engine now
      reset->Reset();
      EXPECT_EQ(reset->X(1), 0u);
      EXPECT_EQ(reset->V(1), Vector(0));
      EXPECT_EQ(reset->ReadSystemRegister(reg::kTpidrEl1), 0u);
      EXPECT_EQ(reset->pstate(), 0x3c5u);
      ExpectRegisters(other, 77);
    }
  }
}

TEST_F(EngineCpuTest, AnotherIsThereAfterOneHasGone) {
  SetRegisters(first(), 3);
  SetRegisters(second(), 77);
  cpus_[1].reset();
  ExpectRegisters(first(), 3);
}

TEST_F(EngineCpuTest, EachHasItsExclusiveMonitor) {
  SetCode({kLdxr, kSvc, kStxr, kSvc});
  for (const auto& cpu : cpus_) cpu->SetX(0, kData + (cpu == cpus_[0] ? 0 : 0x40));
  Run(first());
  Run(second());
  Run(first(), 2);
  EXPECT_EQ(first().X(2), kDone);
  Run(second(), 2);
  EXPECT_EQ(second().X(2), kDone);
}

TEST_F(EngineCpuTest, MonitorIsClearedWhereverItsRegistersAre) {
  SetCode({kLdxr, kSvc, kStxr, kSvc});
  for (EngineCpu* last : {&first(), &second()}) {
    first().SetX(0, kData);
    Run(first());
    last->X(0);
    first().ClearExclusiveMonitor();
    Run(first(), 2);
    EXPECT_EQ(first().X(2), kRefused);
  }
}

}  // namespace
}  // namespace firn::software
