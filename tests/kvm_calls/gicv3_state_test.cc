// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A GICv3's save and restore as system calls: through the kvm backend, into a fresh VM, and with
// calls that fail.
#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/failing_calls.h"
#include "hypervisor/kvm/testing/recording_calls.h"
#include "tests/kvm_calls/boot_sequence.h"
#include "tests/kvm_calls/kvm_stack.h"

namespace firn::kvm::testing {
namespace {

constexpr BootPlan kPlan = {.gic = BootPlan::Gic::kV3, .vcpus = 2};

FakeHost HostWith(bool has_its) {
  FakeHost host = Gicv3Host();
  host.has_its = has_its;
  return host;
}

struct Saved {
  std::string tables, registers;
};

absl::StatusOr<Saved> Save(InterruptController& gic) {
  const absl::StatusOr<std::string> tables = gic.SaveTables();
  if (!tables.ok()) return tables.status();
  const absl::StatusOr<std::string> registers = gic.SaveRegisters();
  if (!registers.ok()) return registers.status();
  return Saved{*tables, *registers};
}

absl::Status Restore(InterruptController& gic, const Saved& saved) {
  absl::Status status = gic.RestoreRegisters(saved.registers);
  if (status.ok()) status = gic.RestoreTables(saved.tables);
  return status.ok() ? gic.RestoreEnables(saved.registers) : status;
}

TEST(Gicv3CallsTest, ARestoredControllerSavesToEqualBytes) {
  for (const bool has_its : {false, true}) {
    KvmStack stack(HostWith(has_its));
    BootedGuest first, second;
    ASSERT_TRUE(Boot(stack.kernel(), kPlan, first).ok());
    const absl::StatusOr<Saved> saved = Save(*first.interrupt_controller);
    ASSERT_TRUE(saved.ok()) << saved.status();
    ASSERT_TRUE(Boot(stack.kernel(), kPlan, second).ok());
    const absl::Status restored = Restore(*second.interrupt_controller, *saved);
    ASSERT_TRUE(restored.ok()) << restored;
    const absl::StatusOr<Saved> again = Save(*second.interrupt_controller);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->registers, saved->registers);
    EXPECT_EQ(again->tables, saved->tables);
  }
}

TEST(Gicv3CallsTest, AHostWithAndOneWithoutItsDoNotMix) {
  for (const bool has_its : {false, true}) {
    KvmStack from(HostWith(has_its)), to(HostWith(!has_its));
    BootedGuest first, second;
    ASSERT_TRUE(Boot(from.kernel(), kPlan, first).ok());
    ASSERT_TRUE(Boot(to.kernel(), kPlan, second).ok());
    const absl::StatusOr<Saved> saved = Save(*first.interrupt_controller);
    ASSERT_TRUE(saved.ok()) << saved.status();
    EXPECT_TRUE(absl::IsFailedPrecondition(Restore(*second.interrupt_controller, *saved)));
  }
}

// The attributes that a restore writes, as "device group attr", in order.
std::vector<std::string> Written(const RecordingCalls& calls, size_t from) {
  std::vector<std::string> lines;
  const std::vector<RecordedCall> recorded = calls.calls();
  for (size_t n = from; n < recorded.size(); ++n) {
    if (absl::StrContains(recorded[n].line, "KVM_SET_DEVICE_ATTR")) {
      lines.push_back(recorded[n].line);
    }
  }
  return lines;
}

TEST(Gicv3CallsTest, ARestoreBeginsWithTheRevisionAndEndsWithTheIts) {
  KvmStack stack(HostWith(true));
  RecordingCalls calls(stack.kernel());
  BootedGuest first, second;
  ASSERT_TRUE(Boot(calls, kPlan, first).ok());
  ASSERT_TRUE(Boot(calls, kPlan, second).ok());
  const absl::StatusOr<Saved> saved = Save(*first.interrupt_controller);
  ASSERT_TRUE(saved.ok()) << saved.status();
  const size_t from = calls.calls().size();
  ASSERT_TRUE(Restore(*second.interrupt_controller, *saved).ok());
  const std::vector<std::string> written = Written(calls, from);
  ASSERT_GT(written.size(), 7u);
  EXPECT_THAT(written.front(), ::testing::HasSubstr("group=1 attr=0x8"));
  const std::vector<std::string> last(written.end() - 6, written.end());
  EXPECT_THAT(last, ::testing::ElementsAre(::testing::HasSubstr("group=4 attr=0x2"),
                                           ::testing::HasSubstr("group=6 attr=0xc666"),
                                           ::testing::HasSubstr("group=6 attr=0xc667"),
                                           ::testing::HasSubstr("group=6 attr=0x10000c666"),
                                           ::testing::HasSubstr("group=6 attr=0x10000c667"),
                                           ::testing::HasSubstr("group=8 attr=0x0")));
}

// Boots a guest, saves its controller and restores it into itself.
absl::Status SaveAndRestore(KvmCalls& calls) {
  BootedGuest guest;
  absl::Status status = Boot(calls, kPlan, guest);
  if (!status.ok()) return status;
  const absl::StatusOr<Saved> saved = Save(*guest.interrupt_controller);
  return saved.ok() ? Restore(*guest.interrupt_controller, *saved) : saved.status();
}

TEST(Gicv3CallsTest, EachAttributeThatFailsFailsItAllWithItsErrno) {
  KvmStack stack(HostWith(true));
  FailingCalls counting(stack.kernel());
  ASSERT_TRUE(SaveAndRestore(counting).ok());
  const std::vector<std::string> names = counting.names();
  for (const uint32_t request : {kGetDeviceAttr, kSetDeviceAttr}) {
    const auto count = static_cast<uint64_t>(
        std::count(names.begin(), names.end(), std::string(RequestName(request))));
    EXPECT_GT(count, 200u);
    // Every seventh: arch-aarch64/gicv3_state_test.cc has them all, without a VM for each.
    for (uint64_t n = 0; n < count; n += 7) {
      FailingCalls failing(stack.kernel(), Failure{.at = n, .request = request, .error = EBUSY});
      const absl::Status status = SaveAndRestore(failing);
      EXPECT_EQ(GetErrno(status), EBUSY) << RequestName(request) << " " << n << ": " << status;
      // And no call comes after it.
      EXPECT_EQ(failing.names().back(), RequestName(request));
    }
  }
}

}  // namespace
}  // namespace firn::kvm::testing
