// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/vcpu_position.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "arch-aarch64/mock_vm.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::NiceMock;

TEST(VcpuPositionTest, EachByItsNameButWhatCannotBeRead) {
  NiceMock<MockVcpu> vcpu;
  ON_CALL(vcpu, GetRegister).WillByDefault([](uint64_t id, absl::Span<std::byte> value) {
    if (id == kvm::kCorePstate) return ErrnoStatus(ENOENT, "KVM_GET_ONE_REG");
    std::memcpy(value.data(), &id, sizeof(id));
    return absl::OkStatus();
  });
  EXPECT_THAT(ReadPosition(vcpu),
              ElementsAre(FieldsAre("pc", kvm::kCorePc), FieldsAre("elr_el1", kvm::kCoreElrEl1),
                          FieldsAre("esr_el1", kvm::kEsrEl1), FieldsAre("far_el1", kvm::kFarEl1)));
}

}  // namespace
}  // namespace firn
