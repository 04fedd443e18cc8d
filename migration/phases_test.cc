// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/phases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using ::testing::ElementsAre;

TEST(PhasesTest, ObserverSeesEachPhaseUpToTheFirstError) {
  std::vector<std::string> seen;
  const PhaseObserver observer = [&](const WalkedPhase& walked) {
    EXPECT_GE(walked.time, absl::ZeroDuration());
    WalkedPhase copy = walked;
    copy.time = absl::Microseconds(1250);
    seen.push_back(copy.ToString());
  };
  const absl::Status status = WalkPhases(kSaveOrder, observer, [](SavePhase phase) {
    return phase == SavePhase::kInterruptTables ? ErrnoStatus(EBUSY, "KVM_GET_DEVICE_ATTR")
                                                : absl::OkStatus();
  });
  EXPECT_EQ(GetErrno(status), EBUSY);
  EXPECT_THAT(seen, ElementsAre("save: memory of the running guest (1.2 ms)",
                                "save: pausing vCPUs (1.2 ms)", "save: draining devices (1.2 ms)",
                                "save: interrupt tables (1.2 ms): KVM_GET_DEVICE_ATTR: Device or "
                                "resource busy (EBUSY)"));
}

TEST(PhasesTest, OrderIsThatOfTheList) {
  constexpr RestorePhase kOrder[] = {RestorePhase::kTime, RestorePhase::kMemory,
                                     RestorePhase::kTime};
  std::vector<RestorePhase> done;
  EXPECT_TRUE(WalkPhases(kOrder, nullptr, [&](RestorePhase phase) {
                done.push_back(phase);
                return absl::OkStatus();
              }).ok());
  EXPECT_THAT(done, ::testing::ElementsAreArray(kOrder));
}

}  // namespace
}  // namespace firn
