// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/register_families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"

namespace firn::kvm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(RegisterFamiliesTest, EveryFamilyOfTheInterfaceIsKnown) {
  EXPECT_TRUE(CheckRegisterFamilies({
                                        0x6030000000100000,  // X0
                                        0x6040000000100054,  // V0
                                        0x6020000000110000,  // CCSIDR
                                        0x603000000013c005,  // MPIDR_EL1
                                        0x6030000000140000,  // PSCI version
                                        0x6080000000150000,  // SVE Z0, 2048 bits
                                        0x606000000015ffff,  // SVE vector lengths
                                        0x6030000000160000,  // firmware feature bitmap
                                    })
                  .ok());
  EXPECT_TRUE(CheckRegisterFamilies({}).ok());
}

TEST(RegisterFamiliesTest, OthersAreRefusedByName) {
  for (uint64_t id : {
           0x6030000000170000ull,  // a family to come
           0x6030000000120000ull,  // a hole among them
           0x4030000000130000ull,  // of 32-bit Arm
           0x2030000000000001ull,  // of x86
           0x6090000000150000ull,  // 4096 bits
       }) {
    const absl::Status status = CheckRegisterFamilies({0x6030000000100000, id});
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(absl::StrFormat("0x%016x", id)), HasSubstr("newer firn")));
  }
}

}  // namespace
}  // namespace firn::kvm
