// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/run_exit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <variant>

namespace firn::kvm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

RunPage Page(uint32_t reason) {
  RunPage run;
  std::memset(&run, 0, sizeof(run));
  run.exit_reason = reason;
  return run;
}

std::string FailureDetail(RunPage& run) {
  const Exit exit = DecodeExit(run);
  const auto* failure = std::get_if<FailureExit>(&exit);
  if (failure == nullptr) return "not a failure";
  EXPECT_EQ(failure->reason, run.exit_reason);
  return failure->detail;
}

TEST(RunExitTest, MmioPointsIntoThePage) {
  RunPage run = Page(kExitMmio);
  run.mmio.phys_addr = 0x1000'0018;
  run.mmio.len = 4;
  const Exit exit = DecodeExit(run);
  const auto& mmio = std::get<MmioExit>(exit);
  EXPECT_EQ(mmio.address, GuestAddress(0x1000'0018));
  EXPECT_FALSE(mmio.is_write);
  ASSERT_EQ(mmio.data.size(), 4u);
  mmio.data[3] = std::byte{0x5a};
  EXPECT_EQ(run.mmio.data[3], 0x5a);

  run.mmio.is_write = 1;
  EXPECT_TRUE(std::get<MmioExit>(DecodeExit(run)).is_write);
}

TEST(RunExitTest, MmioOfAnImpossibleWidthIsAFailure) {
  for (uint32_t width : {0u, 9u, 0xffffffffu}) {
    RunPage run = Page(kExitMmio);
    run.mmio.len = width;
    EXPECT_THAT(FailureDetail(run), HasSubstr("bytes")) << width;
  }
}

TEST(RunExitTest, SystemEvents) {
  RunPage run = Page(kExitSystemEvent);
  run.system_event.type = kSystemEventReset;
  EXPECT_EQ(std::get<SystemEventExit>(DecodeExit(run)).type, uint32_t{kSystemEventReset});
}

TEST(RunExitTest, InterruptedIsAKick) {
  RunPage run = Page(kExitIntr);
  EXPECT_TRUE(std::holds_alternative<KickedExit>(DecodeExit(run)));
}

TEST(RunExitTest, FailuresSayWhatTheKernelSaid) {
  RunPage run = Page(kExitFailEntry);
  run.fail_entry.hardware_entry_failure_reason = 1;
  run.fail_entry.cpu = 7;
  EXPECT_THAT(FailureDetail(run), AllOf(HasSubstr("reason 0x1"), HasSubstr("host CPU 7")));

  run = Page(kExitArmNisv);
  run.arm_nisv.esr_iss = 0x47;
  run.arm_nisv.fault_ipa = 0x9000'0000;
  EXPECT_THAT(FailureDetail(run), AllOf(HasSubstr("0x90000000"), HasSubstr("0x47")));

  run = Page(kExitMemoryFault);
  run.memory_fault.gpa = 0x4000'0000;
  run.memory_fault.size = 4096;
  EXPECT_THAT(FailureDetail(run), AllOf(HasSubstr("0x40000000"), HasSubstr("4096")));

  run = Page(kExitShutdown);
  EXPECT_THAT(FailureDetail(run), HasSubstr("shut down"));
}

TEST(RunExitTest, InternalErrorListsItsDataAndNoMoreThanThereIs) {
  RunPage run = Page(kExitInternalError);
  run.internal.suberror = 4;
  run.internal.ndata = 2;
  run.internal.data[0] = 0xabc;
  run.internal.data[1] = 0xdef;
  run.internal.data[2] = 0x123;
  EXPECT_EQ(FailureDetail(run), "KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON (4) 0xabc 0xdef");

  run.internal.ndata = 0xffffffff;
  run.internal.suberror = 77;
  EXPECT_THAT(FailureDetail(run), AllOf(HasSubstr("(77)"), HasSubstr("0x123")));
}

TEST(RunExitTest, OtherReasonsAreUnknownAndHaveTheirNames) {
  for (uint32_t reason : {uint32_t{kExitUnknown}, 1u, 2u, 3u, 4u, 29u, 37u, 38u, 40u, 1000u}) {
    RunPage run = Page(reason);
    const Exit exit = DecodeExit(run);
    ASSERT_TRUE(std::holds_alternative<UnknownExit>(exit)) << reason;
    EXPECT_EQ(std::get<UnknownExit>(exit).reason, reason);
  }
  EXPECT_EQ(ExitReasonName(3), "KVM_EXIT_HYPERCALL");
  EXPECT_EQ(ExitReasonName(kExitSystemEvent), "KVM_EXIT_SYSTEM_EVENT");
  EXPECT_EQ(ExitReasonName(kExitMemoryFault), "KVM_EXIT_MEMORY_FAULT");
  EXPECT_EQ(ExitReasonName(41), "KVM_EXIT_ARM_SEA");
  EXPECT_EQ(ExitReasonName(43), "an exit reason without a name");
}

}  // namespace
}  // namespace firn::kvm
