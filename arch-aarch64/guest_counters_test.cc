// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/guest_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>

#include "arch-aarch64/mock_vm.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

// A vCPU that has just these registers.
class GuestCountersTest : public ::testing::Test {
 protected:
  GuestCountersTest() {
    ON_CALL(vcpu_, GetRegister).WillByDefault([this](uint64_t id, absl::Span<std::byte> value) {
      const auto found = registers_.find(id);
      if (found == registers_.end()) return ErrnoStatus(ENOENT, "KVM_GET_ONE_REG");
      std::memcpy(value.data(), &found->second, sizeof(found->second));
      return absl::OkStatus();
    });
    ON_CALL(vcpu_, SetRegister)
        .WillByDefault([this](uint64_t id, absl::Span<const std::byte> value) {
          const auto found = registers_.find(id);
          if (found == registers_.end()) return ErrnoStatus(ENOENT, "KVM_SET_ONE_REG");
          std::memcpy(&found->second, value.data(), sizeof(found->second));
          return absl::OkStatus();
        });
  }

  std::map<uint64_t, uint64_t> registers_ = {{kvm::kTimerCnt, 12}, {kvm::kPtimerCnt, 34}};
  NiceMock<MockVcpu> vcpu_;
};

TEST_F(GuestCountersTest, BothAreReadAndSet) {
  EXPECT_EQ(*ReadGuestCounters(vcpu_), (GuestCounters{.virtual_count = 12, .physical_count = 34}));
  EXPECT_TRUE(SetGuestCounters(vcpu_, {.virtual_count = 56, .physical_count = 78}).ok());
  EXPECT_EQ(registers_[kvm::kTimerCnt], 56u);
  EXPECT_EQ(registers_[kvm::kPtimerCnt], 78u);
}

TEST_F(GuestCountersTest, HostsPhysicalCounterStaysTheHosts) {
  registers_.erase(kvm::kPtimerCnt);
  const absl::StatusOr<GuestCounters> counters = ReadGuestCounters(vcpu_);
  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_EQ(*counters, (GuestCounters{.virtual_count = 12, .physical_count = std::nullopt}));
  EXPECT_TRUE(SetGuestCounters(vcpu_, *counters).ok());
}

TEST_F(GuestCountersTest, PhysicalCounterThatCannotGoOnIsAnError) {
  registers_.erase(kvm::kPtimerCnt);
  const absl::Status status = SetGuestCounters(vcpu_, {.virtual_count = 1, .physical_count = 2});
  EXPECT_EQ(GetErrno(status), ENOENT);
  EXPECT_THAT(status.message(), HasSubstr("physical counter"));
  EXPECT_THAT(status.message(), HasSubstr("Linux 6.4"));
}

TEST_F(GuestCountersTest, OtherErrorsAreTold) {
  EXPECT_CALL(vcpu_, GetRegister(kvm::kTimerCnt, _)).WillRepeatedly(Return(absl::OkStatus()));
  EXPECT_CALL(vcpu_, GetRegister(kvm::kPtimerCnt, _))
      .WillOnce(Return(ErrnoStatus(EIO, "KVM_GET_ONE_REG")));
  EXPECT_EQ(GetErrno(ReadGuestCounters(vcpu_).status()), EIO);
  EXPECT_CALL(vcpu_, GetRegister(kvm::kTimerCnt, _))
      .WillOnce(Return(ErrnoStatus(ENOENT, "KVM_GET_ONE_REG")));
  EXPECT_EQ(GetErrno(ReadGuestCounters(vcpu_).status()), ENOENT);
}

}  // namespace
}  // namespace firn
