// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/vcpu_registers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_format.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/software/id_registers.h"
#include "hypervisor/software/system_registers.h"
#include "hypervisor/software/testing/guest_fixture.h"

namespace firn::software {
namespace {

using Bytes = std::vector<std::byte>;

class VcpuRegistersTest : public ::testing::Test {
 protected:
  Vcpu& vcpu() { return guest_.vcpu(0); }
  std::vector<uint64_t> Ids() { return *vcpu().RegisterList(); }
  absl::StatusOr<Bytes> Get(uint64_t id) {
    Bytes value(kvm::RegisterSize(id));
    absl::Status status = vcpu().GetRegister(id, absl::MakeSpan(value));
    if (!status.ok()) return status;
    return value;
  }
  int SetErrno(uint64_t id, uint64_t value) { return GetErrno(SetRegisterU64(vcpu(), id, value)); }
  Guest guest_{"exceptions"};
};

bool IsConstant(uint64_t id) {
  if ((id & kvm::kRegFamilyMask) != kvm::kRegFamilySysreg) return false;
  return IsIdRegister(SystemRegister::Unpack(static_cast<uint16_t>(id)));
}

TEST_F(VcpuRegistersTest, ListHasNoTwins) {
  const std::vector<uint64_t> ids = *vcpu().RegisterList();
  EXPECT_EQ(std::set<uint64_t>(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_GT(ids.size(), 100u);
}

TEST_F(VcpuRegistersTest, EveryListedRegisterCanBeReadAndSetBack) {
  std::vector<std::pair<uint64_t, Bytes>> before;
  for (uint64_t id : Ids()) {
    const absl::StatusOr<Bytes> value = Get(id);
    ASSERT_TRUE(value.ok()) << absl::StreamFormat("%x", id) << value.status();
    before.push_back({id, *value});
  }
  for (const auto& [id, value] : before) {
    EXPECT_TRUE(vcpu().SetRegister(id, value).ok()) << absl::StreamFormat("%x", id);
  }
  for (const auto& [id, value] : before) {
    EXPECT_EQ(*Get(id), value) << absl::StreamFormat("%x", id);
  }
}

// All are set to values of their own, then all read: none is another's alias.
TEST_F(VcpuRegistersTest, WritableRegistersKeepTheirValues) {
  std::vector<std::pair<uint64_t, Bytes>> written;
  uint8_t seed = 1;
  for (uint64_t id : Ids()) {
    if (IsConstant(id)) continue;
    const bool is_spsr_of_aarch32 = id > kvm::CoreSpsr(0) && id <= kvm::CoreSpsr(4);
    const std::set<uint64_t> kSpecial = {
        kvm::kCorePstate, kvm::kPsciVersion, kvm::kTimerCtl,
        kvm::kPtimerCtl,  kvm::kTimerCnt,    kvm::kPtimerCnt,
        kvm::kCoreFpsr,   kvm::kCoreFpcr,    kvm::SysregId(reg::kSctlrEl1)};
    if (kSpecial.contains(id) || is_spsr_of_aarch32) continue;
    const bool has_res0_bits = (id & kvm::kRegFamilyMask) == kvm::kRegFamilySysreg;
    Bytes value = *Get(id);
    // Bit 4 and up, low byte: bits that every one of these registers has.
    if (has_res0_bits) {
      const SystemRegister r = SystemRegister::Unpack(static_cast<uint16_t>(id));
      if (r == reg::kTpidrEl0 || r == reg::kTpidrEl1 || r == reg::kTpidrroEl0 ||
          r == reg::kFarEl1 || r == reg::kVbarEl1 || r == reg::kMairEl1 || id == kvm::kTimerCval ||
          id == kvm::kPtimerCval || r == reg::kTtbr0El1 || r == reg::kTtbr1El1 ||
          r == reg::kContextidrEl1) {
        value[1] = static_cast<std::byte>(seed << 3);
        value[2] = static_cast<std::byte>(seed);
      } else {
        continue;
      }
    } else {
      for (std::byte& byte : value) byte = static_cast<std::byte>(seed + 0x40);
    }
    ++seed;
    ASSERT_TRUE(vcpu().SetRegister(id, value).ok()) << absl::StreamFormat("%x", id);
    written.push_back({id, value});
  }
  EXPECT_GT(written.size(), 70u);
  for (const auto& [id, value] : written) {
    EXPECT_EQ(*Get(id), value) << absl::StreamFormat("%x", id);
  }
}

TEST_F(VcpuRegistersTest, ControlRegistersKeepTheirValues) {
  const std::pair<SystemRegister, uint64_t> kValues[] = {
      {reg::kSctlrEl1, 0x30d00800 | 1 << 2},
      {reg::kTcrEl1, 0x2'8019'0019},
      {reg::kCpacrEl1, 3 << 20},
      {reg::kCntkctlEl1, 0x303},
      {reg::kEsrEl1, 0x9600'0045},
      {reg::kMdscrEl1, 1 << 12},
      {reg::kAmairEl1, 0},
      {reg::kCsselrEl1, 1},
  };
  for (const auto& [r, value] : kValues) {
    EXPECT_EQ(SetErrno(kvm::SysregId(r), value), 0);
    EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::SysregId(r)), value)
        << absl::StreamFormat("%x", r.packed());
  }
  EXPECT_EQ(SetErrno(kvm::kPsciVersion, kPsciVersion10), 0);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kPsciVersion), kPsciVersion10);
  for (uint64_t id : {kvm::kTimerCtl, kvm::kPtimerCtl}) {
    EXPECT_EQ(SetErrno(id, 3), 0);
    EXPECT_EQ(*GetRegisterU64(vcpu(), id), 7u);  // CVAL 0 is due
  }
}

TEST_F(VcpuRegistersTest, FloatingPointControl) {
  for (const auto& [id, value] :
       {std::pair<uint64_t, uint32_t>{kvm::kCoreFpcr, 0x00c00000}, {kvm::kCoreFpsr, 0x0800001f}}) {
    Bytes bytes(4);
    memcpy(bytes.data(), &value, 4);
    ASSERT_TRUE(vcpu().SetRegister(id, bytes).ok());
    EXPECT_EQ(*Get(id), bytes);
  }
}

TEST_F(VcpuRegistersTest, CountersAreTheVms) {
  EXPECT_EQ(SetErrno(kvm::kTimerCnt, 123456), 0);
  EXPECT_EQ(SetErrno(kvm::kPtimerCnt, 654321), 0);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kTimerCnt), 123456u);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kPtimerCnt), 654321u);
  EXPECT_EQ(guest_.vm().Counter(), 123456u);
  EXPECT_TRUE(guest_.vm().SetCounterOffset(0).ok());
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kTimerCnt), 0u);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kPtimerCnt), 0u);
}

// Its timers see the same count: both are due where they compare with what is past.
TEST_F(VcpuRegistersTest, EachTimerComparesWithItsCounter) {
  constexpr uint64_t kEnable = 1, kStatus = 4;
  EXPECT_EQ(SetErrno(kvm::kTimerCnt, 1000), 0);
  EXPECT_EQ(SetErrno(kvm::kPtimerCnt, 2000), 0);
  for (const uint64_t id : {kvm::kTimerCtl, kvm::kPtimerCtl}) EXPECT_EQ(SetErrno(id, kEnable), 0);
  for (const uint64_t id : {kvm::kTimerCval, kvm::kPtimerCval}) EXPECT_EQ(SetErrno(id, 1500), 0);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kTimerCtl), kEnable);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kPtimerCtl), kEnable | kStatus);
}

TEST_F(VcpuRegistersTest, UnknownIdIsEnoent) {
  for (uint64_t id : {
           kvm::SysregId({3, 4, 1, 1, 0}),                // HCR_EL2
           kvm::SysregId({3, 3, 9, 12, 0}),               // PMCR_EL0
           kvm::SysregId({3, 0, 12, 12, 0}),              // a GICv3 register
           kvm::CoreId(kvm::kRegSizeU64, 856),            // behind struct kvm_regs
           kvm::CoreId(kvm::kRegSizeU64, 4),              // the middle of X0
           kvm::kRegArm64 | kvm::kRegSizeU64 | 0x150000,  // SVE
           kvm::kPsciVersion | 1,                         // WORKAROUND_1
           uint64_t{0},
       }) {
    Bytes value(kvm::RegisterSize(id));
    EXPECT_EQ(GetErrno(vcpu().GetRegister(id, absl::MakeSpan(value))), ENOENT)
        << absl::StreamFormat("%x", id);
    EXPECT_EQ(GetErrno(vcpu().SetRegister(id, value)), ENOENT) << absl::StreamFormat("%x", id);
  }
}

TEST_F(VcpuRegistersTest, WrongSizeIsEinval) {
  for (uint64_t id : {kvm::CoreX(0), kvm::CoreV(0), kvm::kCoreFpsr, kvm::kTimerCtl}) {
    for (size_t size : {0u, 1u, 2u, 4u, 8u, 16u, 32u}) {
      if (size == kvm::RegisterSize(id)) continue;
      Bytes value(size);
      EXPECT_EQ(GetErrno(vcpu().GetRegister(id, absl::MakeSpan(value))), EINVAL);
      EXPECT_EQ(GetErrno(vcpu().SetRegister(id, value)), EINVAL);
    }
  }
}

TEST_F(VcpuRegistersTest, ConstantRegisterTakesItsValueOnly) {
  for (uint64_t id : Ids()) {
    if (!IsConstant(id)) continue;
    const uint64_t value = *GetRegisterU64(vcpu(), id);
    EXPECT_EQ(SetErrno(id, value), 0) << absl::StreamFormat("%x", id);
    EXPECT_EQ(SetErrno(id, value + 1), EINVAL) << absl::StreamFormat("%x", id);
    EXPECT_EQ(*GetRegisterU64(vcpu(), id), value);
  }
}

TEST_F(VcpuRegistersTest, PsciVersionIsAKnownOne) {
  for (uint64_t version : {0x0u, 0x1u, 0x10002u, 0x20000u}) {
    EXPECT_EQ(SetErrno(kvm::kPsciVersion, version), EINVAL) << version;
  }
}

// A snapshot may say anything: no mode above EL1 and none of AArch32.
TEST_F(VcpuRegistersTest, PstateModeIsOfTheGuest) {
  for (uint64_t mode : {0u, 4u, 5u}) {
    EXPECT_EQ(SetErrno(kvm::kCorePstate, 0x3c0 | mode), 0);
    EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kCorePstate), 0x3c0 | mode);
  }
  for (uint64_t mode : {1u, 2u, 3u, 6u, 7u, 8u, 9u, 12u, 13u, 0x10u, 0x13u, 0x1fu}) {
    EXPECT_EQ(SetErrno(kvm::kCorePstate, 0x3c0 | mode), EINVAL) << mode;
  }
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kCorePstate), 0x3c5u);
}

// Whatever the mode, and in whatever order they are set: SP_EL0 and SP_EL1 are what was set.
TEST_F(VcpuRegistersTest, StackPointersAreBankedWithPstate) {
  for (uint64_t from : {0x3c0u, 0x3c4u, 0x3c5u}) {
    for (uint64_t to : {0x3c0u, 0x3c4u, 0x3c5u}) {
      SCOPED_TRACE(absl::StrFormat("%x to %x", from, to));
      ASSERT_EQ(SetErrno(kvm::kCorePstate, from), 0);
      ASSERT_EQ(SetErrno(kvm::kCoreSp, 0x1000 + from), 0);
      ASSERT_EQ(SetErrno(kvm::kCoreSpEl1, 0x2000 + from), 0);
      ASSERT_EQ(SetErrno(kvm::kCorePstate, to), 0);
      EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kCoreSp), 0x1000 + from);
      EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kCoreSpEl1), 0x2000 + from);
      EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kCorePstate), to);
    }
  }
}

// The guest sees what was set, and the other way round.
TEST_F(VcpuRegistersTest, GuestSeesTheStackPointers) {
  guest_.Start(0, "stack_pointers");
  ASSERT_EQ(SetErrno(kvm::kCorePstate, 0x3c4), 0);  // EL1t
  ASSERT_EQ(SetErrno(kvm::kCoreSp, 0xa000), 0);
  ASSERT_EQ(SetErrno(kvm::kCoreSpEl1, 0xb000), 0);
  ASSERT_EQ(SetErrno(kvm::kCorePstate, 0x3c5), 0);
  ASSERT_TRUE(guest_.Run().powered_off());
  EXPECT_THAT(guest_.reports(), ::testing::ElementsAre(0xb000, 0xa000, 0xa000));
}

TEST_F(VcpuRegistersTest, SpsrAndElrSurviveAPstateChange) {
  ASSERT_EQ(SetErrno(kvm::CoreSpsr(0), 0x60000000), 0);
  ASSERT_EQ(SetErrno(kvm::kCoreElrEl1, 0x4321), 0);
  ASSERT_EQ(SetErrno(kvm::kCorePstate, 0x3c0), 0);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::CoreSpsr(0)), 0x60000000u);
  EXPECT_EQ(*GetRegisterU64(vcpu(), kvm::kCoreElrEl1), 0x4321u);
}

}  // namespace
}  // namespace firn::software
