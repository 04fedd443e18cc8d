// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/psci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace firn::software {
namespace {

using Action = PsciResult::Action;
using Power = PsciMachine::Power;

constexpr uint64_t kNotSupported = static_cast<uint64_t>(-1);
constexpr uint64_t kInvalidParameters = static_cast<uint64_t>(-2);
constexpr uint64_t kAlreadyOn = static_cast<uint64_t>(-4);

class FakeMachine : public PsciMachine {
 public:
  std::optional<Power> PowerOf(uint64_t mpidr) override {
    const auto found = cpus.find(mpidr);
    if (found == cpus.end()) return std::nullopt;
    return found->second;
  }
  void PowerOn(uint64_t mpidr, uint64_t entry, uint64_t context) override {
    started.push_back({mpidr, entry, context});
  }
  std::optional<bool> AnyOn(uint64_t mpidr, unsigned level) override {
    asked_level = level;
    const auto power = PowerOf(mpidr);
    if (!power) return std::nullopt;
    return *power == Power::kOn;
  }

  std::map<uint64_t, Power> cpus = {{0, Power::kOn}, {1, Power::kOff}, {0x100, Power::kOff}};
  std::vector<std::array<uint64_t, 3>> started;
  unsigned asked_level = 99;
};

class PsciTest : public ::testing::Test {
 protected:
  PsciResult Call(std::array<uint64_t, 4> args, uint64_t version = kPsciVersion11) {
    return HandleHypercall(machine_, args, version);
  }
  // The call is not there.
  bool IsMissing(uint64_t function, uint64_t version) {
    const PsciResult result = Call({function}, version);
    return result.x0 == kNotSupported && result.action == Action::kContinue;
  }
  FakeMachine machine_;
};

TEST_F(PsciTest, VersionIsTheVcpus) {
  for (uint64_t version : {kPsciVersion02, kPsciVersion10, kPsciVersion11}) {
    EXPECT_EQ(Call({0x84000000}, version).x0, version);
  }
}

TEST_F(PsciTest, SmcccVersionIsThereWithAnyPsci) {
  for (uint64_t version : {kPsciVersion02, kPsciVersion11}) {
    EXPECT_EQ(Call({0x80000000}, version).x0, 0x10001u);
  }
}

TEST_F(PsciTest, FunctionsComeWithTheirVersion) {
  EXPECT_TRUE(IsMissing(0x8400000a, kPsciVersion02));  // FEATURES
  EXPECT_FALSE(IsMissing(0x8400000a, kPsciVersion10) &&
               Call({0x8400000a, 0x84000000}, kPsciVersion10).x0 != 0);
  for (uint64_t reset2 : {0x84000012u, 0xc4000012u}) {
    EXPECT_TRUE(IsMissing(reset2, kPsciVersion02));
    EXPECT_TRUE(IsMissing(reset2, kPsciVersion10));
    EXPECT_FALSE(IsMissing(reset2, kPsciVersion11));
  }
}

// CPU_FREEZE, MIGRATE, MIGRATE_INFO_UP_CPU, CPU_DEFAULT_SUSPEND, NODE_HW_STATE, SYSTEM_SUSPEND,
// SET_SUSPEND_MODE, STAT_*, MEM_PROTECT*; ids that are nobody's; 64-bit forms of 32-bit calls.
TEST_F(PsciTest, TheRestIsNotSupported) {
  for (uint64_t function :
       {0x84000005u, 0x84000007u, 0x8400000bu, 0x8400000cu, 0x8400000du, 0x8400000eu,
        0x8400000fu, 0x84000010u, 0x84000011u, 0x84000013u, 0x84000014u, 0x84000015u,
        0xc4000000u, 0xc4000002u, 0xc4000008u, 0xc4000009u, 0xc400000au, 0x00000000u,
        0xffffffffu, 0x80000001u, 0x86000000u}) {
    EXPECT_TRUE(IsMissing(function, kPsciVersion11)) << std::hex << function;
  }
}

TEST_F(PsciTest, FunctionIdIsTheLowWordOnly) {
  EXPECT_EQ(Call({0xdeadbeef'84000000}).x0, kPsciVersion11);
}

TEST_F(PsciTest, FeaturesTellsWhatIsThere) {
  for (uint64_t function : {0x84000000u, 0x84000001u, 0xc4000001u, 0x84000002u, 0x84000003u,
                            0xc4000003u, 0x84000004u, 0xc4000004u, 0x84000006u, 0x84000008u,
                            0x84000009u, 0x8400000au, 0x84000012u, 0xc4000012u, 0x80000000u}) {
    EXPECT_EQ(Call({0x8400000a, function}).x0, 0u) << std::hex << function;
  }
  EXPECT_EQ(Call({0x8400000a, 0x84000005}).x0, kNotSupported);
  EXPECT_EQ(Call({0x8400000a, 0xc4000008}).x0, kNotSupported);
  EXPECT_EQ(Call({0x8400000a, 0x84000012}, kPsciVersion10).x0, kNotSupported);
  EXPECT_EQ(Call({0x8400000a, 0x80000000}, kPsciVersion10).x0, 0u);
}

TEST_F(PsciTest, CpuOnStartsACpuThatIsOff) {
  const PsciResult result = Call({0xc4000003, 1, 0x1'40000000, 0x1234'5678'9abc});
  EXPECT_EQ(result.x0, 0u);
  EXPECT_EQ(result.action, Action::kContinue);
  ASSERT_EQ(machine_.started.size(), 1u);
  EXPECT_EQ(machine_.started[0], (std::array<uint64_t, 3>{1, 0x1'40000000, 0x1234'5678'9abc}));
}

TEST_F(PsciTest, CpuOn32TakesTheLowWords) {
  EXPECT_EQ(Call({0x84000003, 0xffffffff'00000100, 0xffffffff'40000000, 0xffffffff'00000007}).x0,
            0u);
  ASSERT_EQ(machine_.started.size(), 1u);
  EXPECT_EQ(machine_.started[0], (std::array<uint64_t, 3>{0x100, 0x40000000, 7}));
}

TEST_F(PsciTest, CpuOnRefusesBadTargets) {
  EXPECT_EQ(Call({0xc4000003, 0, 0x40000000, 0}).x0, kAlreadyOn);
  for (uint64_t mpidr : {uint64_t{2}, uint64_t{0x10000}, uint64_t{1} << 31 | 1,
                         uint64_t{1} << 24 | 1, uint64_t{1} << 40 | 1, ~uint64_t{0}}) {
    EXPECT_EQ(Call({0xc4000003, mpidr, 0x40000000, 0}).x0, kInvalidParameters) << mpidr;
  }
  EXPECT_TRUE(machine_.started.empty());
}

TEST_F(PsciTest, AffinityInfo) {
  for (uint64_t function : {0x84000004u, 0xc4000004u}) {
    EXPECT_EQ(Call({function, 0, 0}).x0, 0u);  // on
    EXPECT_EQ(Call({function, 1, 0}).x0, 1u);  // off
    EXPECT_EQ(Call({function, 2, 0}).x0, kInvalidParameters);
    EXPECT_EQ(Call({function, 0, 4}).x0, kInvalidParameters);
    EXPECT_EQ(Call({function, uint64_t{1} << 31, 0}).x0, kInvalidParameters);
    for (unsigned level = 0; level <= 3; ++level) {
      EXPECT_EQ(Call({function, 0, level}).x0, 0u);
      EXPECT_EQ(machine_.asked_level, level);
    }
  }
  EXPECT_EQ(Call({0xc4000004, 0, uint64_t{1} << 32}).x0, kInvalidParameters);
  EXPECT_EQ(Call({0x84000004, 0, uint64_t{1} << 32}).x0, 0u);  // 32 bits count
}

TEST_F(PsciTest, MigrationIsNotNeeded) { EXPECT_EQ(Call({0x84000006}).x0, 2u); }

TEST_F(PsciTest, ActionsOfTheCaller) {
  EXPECT_EQ(Call({0x84000002}).action, Action::kCpuOff);
  for (uint64_t function : {0x84000001u, 0xc4000001u}) {
    EXPECT_EQ(Call({function}).action, Action::kCpuSuspend);
    EXPECT_EQ(Call({function}).x0, 0u);
  }
}

TEST_F(PsciTest, ActionsOfTheSystem) {
  EXPECT_EQ(Call({0x84000008}).action, Action::kSystemOff);
  EXPECT_EQ(Call({0x84000009}).action, Action::kSystemReset);
}

TEST_F(PsciTest, Reset2KnowsWarmAndVendorResets) {
  for (uint64_t function : {0x84000012u, 0xc4000012u}) {
    EXPECT_EQ(Call({function, 0}).action, Action::kSystemReset);
    EXPECT_EQ(Call({function, 0x80000000}).action, Action::kSystemReset);
    EXPECT_EQ(Call({function, 1}).action, Action::kContinue);
    EXPECT_EQ(Call({function, 1}).x0, kInvalidParameters);
  }
}

}  // namespace
}  // namespace firn::software
