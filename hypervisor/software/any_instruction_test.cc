// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Whatever instruction a guest executes, at EL1 or EL0, with whatever operand: the run goes on, to
// the next instruction or to an exception, or ends with an exit; and nothing is written that is not
// saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/software_hypervisor.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/vm.h"

namespace firn::software {
namespace {

constexpr uint64_t kMemory = 0x40000000, kVectors = kMemory, kData = kMemory + 0x1000,
                   kCode = kMemory + 0x10000;
constexpr uint64_t kEl0t = 0x3c0, kEl1h = 0x3c5;
constexpr uint32_t kEncodings = 1 << 14;  // op1, CRn, CRm, op2
constexpr uint32_t kBranchToItself = 0x14000000;
constexpr uint64_t kOperands[] = {0, ~uint64_t{0}, 0x0123'4567'89ab'cdef, 0xfedc'ba98'7654'3210};

constexpr uint64_t kInstructionsAfterwards = 3;
constexpr uint32_t kMovz = 0xd2800000;

constexpr uint32_t Read(uint32_t op0, uint32_t encoding, uint32_t rt) {
  return 0xd5200000 | op0 << 19 | encoding << 5 | rt;
}
constexpr uint32_t Write(uint32_t op0, uint32_t encoding, uint32_t rt) {
  return 0xd5000000 | op0 << 19 | encoding << 5 | rt;
}

// WFI among them, which waits for what does not come.
constexpr bool IsHint(uint32_t instruction) { return (instruction & 0xfffff01f) == 0xd503201f; }

// Stores, maybe to what is not memory, which ends the guest.
constexpr uint32_t kDcZva = 0xd50b7420;

class AnyInstructionTest : public ::testing::Test {
 protected:
  AnyInstructionTest() {
    CreateVm();
    for (uint64_t vector = 0; vector < 0x800; vector += 0x80) {
      Store(kVectors + vector, kBranchToItself);
    }
  }

  void CreateVm() {
    vcpu_.reset();
    vm_ = *hypervisor_->CreateVm(40);
    ASSERT_TRUE(vm_->SetMemorySlot({.slot = 0,
                                    .address = GuestAddress(kMemory),
                                    .size = kSize,
                                    .host = memory_->regions()[0].host})
                    .ok());
    vcpu_ = *vm_->CreateVcpu(0);
  }

  // Executes `code` where none has been before, and a few instructions more, with `operand` in X0,
  // addresses of memory in every third register and 0 in the others.
  absl::StatusOr<Exit> Execute(const std::vector<uint32_t>& code, uint64_t pstate,
                               uint64_t operand) {
    const kvm::VcpuInit init = {.target = kvm::kArmTargetGenericV8,
                                .features = {1u << kvm::kArmVcpuPsci02}};
    if (absl::Status status = vcpu_->Init(init); !status.ok()) return status;
    Set(kvm::kCorePc, next_);
    for (const uint32_t instruction : code) Append(instruction);
    Append(kBranchToItself);
    Set(kvm::kCorePstate, pstate);
    for (unsigned n = 1; n <= 30; ++n) Set(kvm::CoreX(n), n % 3 == 1 ? kData + n * 0x100 : 0);
    Set(kvm::CoreX(0), operand);
    Set(kvm::SysregId(reg::kVbarEl1), kVectors);
    constexpr uint64_t kFpen = 3 << 20;
    Set(kvm::SysregId(reg::kCpacrEl1), kFpen);
    absl::Status status = vm_->SetInstructionLimit(vcpu_->stats().instructions + code.size() +
                                                   kInstructionsAfterwards);
    if (!status.ok()) return status;
    return vcpu_->Run();
  }
  uint64_t Get(uint64_t id) { return GetRegisterU64(*vcpu_, id).value_or(0); }

  static constexpr uint64_t kSize = 8 << 20;
  const std::unique_ptr<GuestMemory> memory_ =
      *GuestMemory::Create({*GuestRange::Create(GuestAddress(kMemory), kSize)});
  const std::unique_ptr<Hypervisor> hypervisor_ = *CreateSoftwareHypervisor();
  std::unique_ptr<Vm> vm_;
  std::unique_ptr<Vcpu> vcpu_;

 private:
  void Append(uint32_t instruction) {
    Store(next_, instruction);
    next_ += sizeof(instruction);
  }
  void Store(uint64_t address, uint32_t instruction) {
    ASSERT_TRUE(memory_->Store(GuestAddress(address), instruction).ok());
  }
  void Set(uint64_t id, uint64_t value) { ASSERT_TRUE(SetRegisterU64(*vcpu_, id, value).ok()); }

  uint64_t next_ = kCode;
};

// PSTATE and op0.
class SystemInstructionTest : public AnyInstructionTest,
                              public ::testing::WithParamInterface<std::tuple<uint64_t, uint32_t>> {
};

TEST_P(SystemInstructionTest, GoesOn) {
  const auto& [pstate, op0] = GetParam();
  // False: it is undefined, whatever the operand.
  const auto goes_on = [&, pstate = pstate](uint32_t instruction, uint64_t operand) {
    SCOPED_TRACE(absl::StrCat(absl::Hex(instruction), " ", absl::Hex(operand)));
    const absl::StatusOr<Exit> exit = Execute({instruction}, pstate, operand);
    EXPECT_TRUE(exit.ok()) << exit.status();
    if (instruction != kDcZva) {
      EXPECT_TRUE(std::holds_alternative<InstructionLimitExit>(*exit)) << exit->index();
    }
    return Get(kvm::kCorePc) >= kCode;
  };
  for (uint32_t encoding = 0; encoding < kEncodings; ++encoding) {
    // With op0 0, barriers and MSR (immediate) are what it is: they have no register.
    const uint32_t write = Write(op0, encoding, op0 == 0 ? 31 : 0);
    if (IsHint(write)) continue;
    goes_on(Read(op0, encoding, 1), 0);
    for (const uint64_t operand : kOperands) {
      if (!goes_on(write, operand)) break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SystemInstructionTest,
                         ::testing::Combine(::testing::Values(kEl0t, kEl1h),
                                            ::testing::Values(0u, 1u, 2u, 3u)));

// What is not in the list of registers by this encoding, but is saved.
constexpr SystemRegister kSavedElsewhere[] = {
    {3, 0, 4, 0, 0} /* SPSR_EL1 */,
    {3, 0, 4, 0, 1} /* ELR_EL1 */,
    {3, 0, 4, 1, 0} /* SP_EL0 */,
    {3, 3, 4, 4, 0} /* FPCR */,
    {3, 3, 4, 4, 1} /* FPSR */,
    {3, 0, 4, 2, 0} /* PSTATE: SPSel */,
    {3, 0, 4, 2, 3} /* PAN */,
    {3, 0, 4, 2, 4} /* UAO */,
    {3, 3, 4, 2, 0} /* NZCV */,
    {3, 3, 4, 2, 1} /* DAIF */,
    {3, 3, 14, 2, 0} /* CNTP_TVAL_EL0 */,
    {3, 3, 14, 3, 0} /* CNTV_TVAL_EL0 */,
};

// So that a guest that is restored is like one that goes on.
TEST_F(AnyInstructionTest, WhatKeepsAValueIsSaved) {
  constexpr uint64_t kUnread = 0x77;
  unsigned kept = 0;
  for (const uint32_t op0 : {2u, 3u}) {
    for (uint32_t encoding = 0; encoding < kEncodings; ++encoding) {
      for (const uint64_t operand : kOperands) {
        const absl::StatusOr<Exit> exit = Execute({kMovz | kUnread << 5 | 2, Read(op0, encoding, 1),
                                                   Write(op0, encoding, 0), Read(op0, encoding, 2)},
                                                  kEl1h, operand);
        ASSERT_TRUE(exit.ok()) << exit.status();
        const uint64_t before = Get(kvm::CoreX(1)), after = Get(kvm::CoreX(2));
        if (after == kUnread) break;  // it cannot be read, or not be written
        if (after == before) continue;
        ++kept;
        const auto reg = SystemRegister::Unpack(static_cast<uint16_t>(op0 << 14 | encoding));
        const std::vector<uint64_t> list = *vcpu_->RegisterList();
        EXPECT_TRUE(std::ranges::count(list, kvm::SysregId(reg)) == 1 ||
                    std::ranges::count(kSavedElsewhere, reg) == 1)
            << absl::StrFormat("S%u_%u_C%u_C%u_%u: %x, %x written, then %x", reg.op0, reg.op1,
                               reg.crn, reg.crm, reg.op2, before, operand, after);
      }
    }
  }
  EXPECT_GT(kept, 50u);
}

// As a snapshot may have it.
TEST_F(AnyInstructionTest, AnyValueOfARegisterThatIsRestored) {
  ASSERT_TRUE(Execute({}, kEl1h, 0).ok());
  const std::vector<uint64_t> list = *vcpu_->RegisterList();
  for (const uint64_t id : list) {
    for (const uint64_t value : kOperands) {
      SCOPED_TRACE(absl::StrCat(absl::Hex(id), " ", absl::Hex(value)));
      if (kvm::RegisterSize(id) == sizeof(value)) {
        SetRegisterU64(*vcpu_, id, value).IgnoreError();  // maybe EINVAL
      }
      ASSERT_TRUE(
          vm_->SetInstructionLimit(vcpu_->stats().instructions + kInstructionsAfterwards).ok());
      const absl::StatusOr<Exit> exit = vcpu_->Run();
      ASSERT_TRUE(exit.ok()) << exit.status();
      const auto* failure = std::get_if<FailureExit>(&*exit);
      if (failure != nullptr)
        EXPECT_NE(failure->reason, kvm::kExitInternalError) << failure->detail;
    }
    ASSERT_TRUE(Execute({}, kEl1h, 0).ok());
  }
}

// Words of any value are instructions of all groups, and half of them none.
TEST_F(AnyInstructionTest, RandomCode) {
  constexpr unsigned kPrograms = 20'000, kLength = 12;
  std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): the same every time
  for (unsigned n = 0; n < kPrograms; ++n) {
    std::vector<uint32_t> code;
    while (code.size() < kLength) {
      const auto word = static_cast<uint32_t>(random());
      if (!IsHint(word)) code.push_back(word);
    }
    const absl::StatusOr<Exit> exit = Execute(code, n % 2 == 0 ? kEl0t : kEl1h, random());
    ASSERT_TRUE(exit.ok()) << exit.status();
    const auto* failure = std::get_if<FailureExit>(&*exit);
    if (failure != nullptr) {
      EXPECT_NE(failure->reason, kvm::kExitInternalError) << failure->detail;
    }
  }
}

}  // namespace
}  // namespace firn::software
