// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The monitor's whole machine, with all its devices, over system calls of which each fails in turn:
// from opening KVM to the guest's last exit.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "devices/testing/string_sink.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/testing/failing_calls.h"
#include "hypervisor/kvm/testing/recording_calls.h"
#include "hypervisor/software/testing/guest_program.h"
#include "tests/kvm_calls/answers.h"
#include "tests/kvm_calls/kvm_stack.h"
#include "vmm/machine/machine.h"

namespace firn::kvm::testing {
namespace {

using ::testing::HasSubstr;
using Kind = MachineEnd::Kind;

// Far above what any run needs, also under a sanitizer on a busy machine.
constexpr absl::Duration kTimeLimit = absl::Seconds(100);

struct Host {
  const char* name;
  FakeHost host;
};

void PrintTo(const Host& host, std::ostream* out) { *out << host.name; }

FakeHost HostWithBoth() {
  FakeHost host = Gicv5Host();
  host.has_vgic_v3 = host.has_its = true;
  return host;
}

// ThreadSanitizer looks at what threads do, which depends on the call that fails, not on its errno;
// all of them are tried without it.
#ifdef ABSL_HAVE_THREAD_SANITIZER
constexpr bool kOneErrnoForEachCall = true;
#else
constexpr bool kOneErrnoForEachCall = false;
#endif

// All of them the first time that a call of this kind is made, two by turns when it is repeated.
std::vector<int> ErrnosFor(const std::vector<std::string>& calls, size_t n) {
  if (kOneErrnoForEachCall) return {kErrors[n % kErrors.size()]};
  const auto repeats = std::count_if(
      calls.begin(), calls.begin() + static_cast<ptrdiff_t>(n),
      [&](const std::string& earlier) { return KindOf(earlier) == KindOf(calls[n]); });
  if (repeats == 0) return {kErrors.begin(), kErrors.end()};
  return {kErrors[2 * n % kErrors.size()], kErrors[(2 * n + 1) % kErrors.size()]};
}

std::vector<int> InterruptionsFor(size_t n) {
  if (kOneErrnoForEachCall) return {n % 2 == 0 ? EINTR : EAGAIN};
  return {EINTR, EAGAIN};
}

class MachineFailingTest : public ::testing::TestWithParam<Host> {
 protected:
  MachineFailingTest() {
    std::filesystem::create_directory(folder_);
    config_.machine.memory_bytes = 32 * kMiB;
    config_.boot_source.kernel_image_path = Path("kernel");
    config_.drives = {{.drive_id = "disk", .path_on_host = Path("disk")}};
    WriteKernel("reboot");
    std::ofstream(Path("disk"), std::ios::binary) << std::string(4096, 'd');
  }
  ~MachineFailingTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(std::string_view name) const { return absl::StrCat(folder_, "/", name); }

  // The kernel begins at `label`.
  void WriteKernel(std::string_view label) {
    software::GuestProgram kernel = software::GuestProgram::Load("vmm/testing/guests/kernel.elf");
    const uint64_t offset = kernel.symbols.at(std::string(label)) - kernel.base.value;
    const uint32_t branch = 0x1400'0000 | static_cast<uint32_t>(offset / 4);  // B
    std::memcpy(kernel.image.data(), &branch, sizeof(branch));
    std::ofstream file(Path("kernel"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(kernel.image.data()),
               static_cast<std::streamsize>(kernel.image.size()));
  }

  struct Outcome {
    absl::Status status;  // of making the machine
    MachineEnd end;       // where that was OK
    std::string output;
    std::vector<std::string> calls;
    uint64_t failures = 0;
  };

  // Makes the machine and runs it to its end; sees that nothing is left.
  Outcome RunWith(std::optional<Failure> failure) {
    KvmStack stack(GetParam().host);
    FailingCalls failing(stack.kernel(), failure);
    RecordingCalls recording(failing);
    Outcome outcome;
    RunMachine(recording, outcome);
    stack.ExpectNothingLeaked();
    outcome.calls = CallsThatCanFail(recording);
    outcome.failures = failing.failures();
    return outcome;
  }

  void RunMachine(KvmCalls& calls, Outcome& outcome) {
    const absl::StatusOr<std::unique_ptr<KvmHypervisor>> hypervisor = KvmHypervisor::Open(calls);
    outcome.status = hypervisor.status();
    if (!hypervisor.ok()) return;
    const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
    Timeline timeline(ReadHostTimes);
    SeededEntropy entropy(1);
    firn::testing::StringSink output;
    absl::Notification ended;
    absl::StatusOr<std::unique_ptr<Machine>> machine =
        Machine::Create(config_,
                        {.hypervisor = **hypervisor,
                         .loop = *loop,
                         .timeline = timeline,
                         .entropy = entropy,
                         .output = &output},
                        [&](const MachineEnd& end) {
                          outcome.end = end;
                          ended.Notify();  // dies the second time
                        });
    outcome.status = machine.status();
    if (!machine.ok()) return;
    outcome.status = (*machine)->Start();
    if (!outcome.status.ok()) return;
    if (!ended.WaitForNotificationWithTimeout(kTimeLimit)) {
      outcome.end = {Kind::kHostError, "the machine hangs"};
    }
    (*machine)->Stop();
    outcome.output = output.text;
  }

  const std::string folder_ = absl::StrCat(::testing::TempDir(), "/machine-", getpid());
  VmConfig config_;
};

TEST_P(MachineFailingTest, RunsWithoutFailures) {
  const Outcome outcome = RunWith({});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.end.kind, Kind::kReboot) << outcome.end.detail;
  EXPECT_EQ(outcome.output, "hello\n");
}

// Every call fails, and every kind of call with every errno; failing_test has each call with each.
TEST_P(MachineFailingTest, EveryCallFails) {
  const std::vector<std::string> calls = RunWith({}).calls;
  ASSERT_GT(calls.size(), 50u);
  const size_t fds = OpenFds();
  for (size_t n = 0; n < calls.size(); ++n) {
    for (const int error : ErrnosFor(calls, n)) {
      SCOPED_TRACE(
          absl::StrCat("call ", n, ": ", calls[n], ", made to fail with ", ErrnoName(error)));
      const Outcome outcome = RunWith(Failure{.at = n, .error = error});
      EXPECT_EQ(outcome.failures, 1u);
      EXPECT_EQ(OpenFds(), fds);
      if (IsRun(calls[n])) {
        ASSERT_TRUE(outcome.status.ok()) << outcome.status;
        // ENOSYS is what KVM says of an access that the guest should not have made.
        EXPECT_EQ(outcome.end.kind, error == ENOSYS ? Kind::kCrash : Kind::kHostError);
        EXPECT_THAT(outcome.end.detail, HasSubstr("vCPU 0"));
        EXPECT_THAT(outcome.end.detail, HasSubstr("KVM_RUN"));
        EXPECT_THAT(outcome.end.detail, HasSubstr(ErrnoName(error)));
        continue;
      }
      switch (AnswerTo(calls, n, error)) {
        case Answer::kGoesOn:
          EXPECT_TRUE(outcome.status.ok()) << outcome.status;
          EXPECT_EQ(outcome.end.kind, Kind::kReboot) << outcome.end.detail;
          EXPECT_EQ(outcome.output, "hello\n");
          break;
        case Answer::kSaysWhatLacks:
          // A host with both controllers may take the other.
          if (outcome.status.ok() && std::string_view(GetParam().name) == "both") {
            EXPECT_EQ(outcome.end.kind, Kind::kReboot) << outcome.end.detail;
            break;
          }
          EXPECT_FALSE(outcome.status.ok());
          EXPECT_THAT(outcome.status.message(), HasSubstr("GIC"));
          break;
        case Answer::kNamesIt:
          EXPECT_FALSE(outcome.status.ok());
          EXPECT_THAT(outcome.status.message(), HasSubstr(NameOf(calls[n])));
          EXPECT_THAT(outcome.status.message(), HasSubstr(ErrnoName(error)));
          EXPECT_EQ(GetErrno(outcome.status), error);
          break;
      }
    }
  }
}

TEST_P(MachineFailingTest, AFewInterruptionsAreSurvived) {
  const std::vector<std::string> calls = RunWith({}).calls;
  for (size_t n = 0; n < calls.size(); ++n) {
    if (!IsIoctl(calls[n])) continue;  // open and mmap are not interrupted
    for (const int error : InterruptionsFor(n)) {
      SCOPED_TRACE(absl::StrCat(ErrnoName(error), ": ", calls[n]));
      const Outcome outcome = RunWith(Failure{.at = n, .error = error, .times = 3});
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
      EXPECT_EQ(outcome.failures, 3u);
      EXPECT_EQ(outcome.end.kind, Kind::kReboot) << outcome.end.detail;
      EXPECT_EQ(outcome.output, "hello\n");
    }
  }
}

TEST_P(MachineFailingTest, AStormEndsInAnError) {
  const std::vector<std::string> calls = RunWith({}).calls;
  for (size_t n = 0; n < calls.size(); ++n) {
    for (const int error : InterruptionsFor(n)) {
      // To KVM_RUN an interruption is a kick, as many as they are: the next test.
      if (IsRun(calls[n]) && error == EINTR) continue;
      if (AnswerTo(calls, n, error) != Answer::kNamesIt) continue;
      SCOPED_TRACE(absl::StrCat("for ever ", ErrnoName(error), ": ", calls[n]));
      const Outcome outcome = RunWith(Failure{.at = n, .error = error, .times = Failure::kForEver});
      const std::string message =
          outcome.status.ok() ? outcome.end.detail : std::string(outcome.status.message());
      EXPECT_EQ(outcome.status.ok(), IsRun(calls[n]));
      EXPECT_THAT(message, HasSubstr(NameOf(calls[n])));
      EXPECT_THAT(message, HasSubstr(ErrnoName(error)));
    }
  }
}

// The guest does not get on, but the monitor does: it can be stopped.
TEST_P(MachineFailingTest, AStormOfSignalsInTheGuestCanBeStopped) {
  KvmStack stack(GetParam().host);
  FailingCalls calls(stack.kernel(),
                     Failure{.request = kRun, .error = EINTR, .times = Failure::kForEver});
  const std::unique_ptr<KvmHypervisor> hypervisor = *KvmHypervisor::Open(calls);
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  Timeline timeline(ReadHostTimes);
  SeededEntropy entropy(1);
  bool ended = false;
  absl::StatusOr<std::unique_ptr<Machine>> machine =
      Machine::Create(config_,
                      {.hypervisor = *hypervisor,
                       .loop = *loop,
                       .timeline = timeline,
                       .entropy = entropy,
                       .output = nullptr},
                      [&](const MachineEnd&) { ended = true; });
  ASSERT_TRUE(machine.ok()) << machine.status();
  ASSERT_TRUE((*machine)->Start().ok());
  while (calls.failures() < 1000) usleep(100);
  (*machine)->Stop();
  EXPECT_FALSE(ended);
}

INSTANTIATE_TEST_SUITE_P(Hosts, MachineFailingTest,
                         ::testing::Values(Host{"gicv5", Gicv5Host()}, Host{"gicv3", Gicv3Host()},
                                           Host{"both", HostWithBoth()}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace firn::kvm::testing
