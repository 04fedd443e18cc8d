// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Every system call of a boot fails in turn, with every errno: a clear error that names the call
// and the errno, nothing left open, and no hang; where the call is a probe, the boot goes on.
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/testing/failing_calls.h"
#include "hypervisor/kvm/testing/recording_calls.h"
#include "tests/kvm_calls/answers.h"
#include "tests/kvm_calls/boot_sequence.h"
#include "tests/kvm_calls/kvm_stack.h"

namespace firn::kvm::testing {
namespace {

using software::gicv5::Dialect;
using ::testing::HasSubstr;

struct Scenario {
  const char* name;
  FakeHost host;
  Dialect dialect;
  BootPlan plan;
};

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

class FailingTest : public ::testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    // What a first boot leaves for ever (static tables of a library) is no leak.
    calls_ = BootWith({}).calls;
    fds_ = OpenFds();
  }

  struct Outcome {
    absl::Status status;
    std::vector<std::string> calls;  // those that can fail
    uint64_t failures = 0;
  };

  // Boots with a failure; sees that nothing is left, whatever came of it.
  Outcome BootWith(std::optional<Failure> failure) {
    const Scenario& scenario = GetParam();
    KvmStack stack(scenario.host, {.dialect = scenario.dialect});
    FailingCalls failing(stack.kernel(), failure);
    RecordingCalls recording(failing);
    Outcome outcome;
    {
      BootedGuest guest;
      outcome.status = Boot(recording, scenario.plan, guest);
      if (outcome.status.ok() && scenario.plan.vcpus == 1) outcome.status = FirstRun(guest);
    }
    stack.ExpectNothingLeaked();
    outcome.calls = CallsThatCanFail(recording);
    outcome.failures = failing.failures();
    return outcome;
  }

  std::vector<std::string> calls_;  // of a boot without failures, with what they said
  size_t fds_ = 0;
};

TEST_P(FailingTest, EveryCallWithEveryErrno) {
  ASSERT_GT(calls_.size(), 30u);
  for (size_t n = 0; n < calls_.size(); ++n) {
    for (const int error : kErrors) {
      // An exit, not an error: guests_test has it. (The last KVM_RUN only completes an access.)
      if (error == ENOSYS && IsRun(calls_[n]) && n + 1 != calls_.size()) continue;
      SCOPED_TRACE(
          absl::StrCat("call ", n, ": ", calls_[n], ", made to fail with ", ErrnoName(error)));
      const Outcome outcome = BootWith(Failure{.at = n, .error = error});
      EXPECT_EQ(outcome.failures, 1u);
      EXPECT_EQ(OpenFds(), fds_);
      switch (AnswerTo(calls_, n, error)) {
        case Answer::kGoesOn:
          EXPECT_TRUE(outcome.status.ok()) << outcome.status;
          break;
        case Answer::kSaysWhatLacks:
          EXPECT_EQ(outcome.status.code(), absl::StatusCode::kFailedPrecondition);
          EXPECT_THAT(outcome.status.message(),
                      HasSubstr(GetParam().plan.gic == BootPlan::Gic::kV3 ? "no GICv3 for guests"
                                                                          : "Linux 7.4"));
          break;
        case Answer::kNamesIt:
          EXPECT_FALSE(outcome.status.ok());
          EXPECT_THAT(outcome.status.message(), HasSubstr(NameOf(calls_[n])));
          EXPECT_THAT(outcome.status.message(), HasSubstr(ErrnoName(error)));
          EXPECT_EQ(GetErrno(outcome.status), error);
          // Nothing was tried after it; limits may have been asked for, to name them.
          for (size_t after = n + 1; after < outcome.calls.size(); ++after) {
            EXPECT_THAT(outcome.calls[after], HasSubstr("KVM_CHECK_EXTENSION"));
          }
          break;
      }
    }
  }
}

// A signal now and then, a kernel that is busy for a moment: the boot is none the wiser.
TEST_P(FailingTest, AFewInterruptionsAreSurvived) {
  for (const int error : {EINTR, EAGAIN}) {
    for (const uint64_t times : {1u, 3u}) {
      for (size_t n = 0; n < calls_.size(); ++n) {
        if (!IsIoctl(calls_[n])) continue;  // open and mmap are not interrupted
        // The last KVM_RUN only completes an access: it is made once, and EINTR is success.
        if (n + 1 == calls_.size() && IsRun(calls_[n])) continue;
        SCOPED_TRACE(absl::StrCat(times, " times ", ErrnoName(error), ": ", calls_[n]));
        const Outcome outcome = BootWith(Failure{.at = n, .error = error, .times = times});
        EXPECT_EQ(outcome.failures, times);
        EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      }
    }
  }
}

// Each storm is waited for.
class StormTest : public FailingTest {};

TEST_P(StormTest, EndsInAnError) {
  for (const int error : {EINTR, EAGAIN}) {
    for (size_t n = 0; n < calls_.size(); ++n) {
      SCOPED_TRACE(absl::StrCat("for ever ", ErrnoName(error), ": ", calls_[n]));
      if (n + 1 == calls_.size() && IsRun(calls_[n]) && error == EINTR) continue;
      const Outcome outcome =
          BootWith(Failure{.at = n, .error = error, .times = Failure::kForEver});
      EXPECT_GE(outcome.failures, 1u);
      EXPECT_EQ(OpenFds(), fds_);
      if (AnswerTo(calls_, n, error) == Answer::kGoesOn) {
        EXPECT_TRUE(outcome.status.ok()) << outcome.status;
        continue;
      }
      EXPECT_FALSE(outcome.status.ok());
      EXPECT_THAT(outcome.status.message(), HasSubstr(NameOf(calls_[n])));
      EXPECT_THAT(outcome.status.message(), HasSubstr(ErrnoName(error)));
    }
  }
}

const Scenario kGicv5 = {"gicv5_merged", Gicv5Host(), Dialect::kMerged, {.vcpus = 1}};
const Scenario kGicv5TwoVcpus = {
    "gicv5_merged_two_vcpus", Gicv5Host(), Dialect::kMerged, {.vcpus = 2}};
const Scenario kSeriesV2 = {"gicv5_series_v2", Gicv5Host(), Dialect::kSeriesV2, {.vcpus = 1}};
const Scenario kGicv3 = {
    "gicv3", Gicv3Host(), Dialect::kMerged, {.gic = BootPlan::Gic::kV3, .vcpus = 1}};

std::string ScenarioName(const ::testing::TestParamInfo<Scenario>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Boots, FailingTest,
                         ::testing::Values(kGicv5, kGicv5TwoVcpus, kSeriesV2, kGicv3),
                         ScenarioName);
INSTANTIATE_TEST_SUITE_P(Boots, StormTest, ::testing::Values(kGicv5, kGicv3), ScenarioName);

}  // namespace
}  // namespace firn::kvm::testing
