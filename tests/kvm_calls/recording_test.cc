// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The system calls that bring a guest up, byte by byte: whole transcripts against testdata/, for
// each VGICv5 dialect and for GICv3, and what the numbers in them have to be.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/kvm/testing/recording_calls.h"
#include "hypervisor/register_id.h"
#include "tests/kvm_calls/boot_sequence.h"
#include "tests/kvm_calls/kvm_stack.h"

namespace firn::kvm::testing {
namespace {

using software::gicv5::Dialect;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << path;
  return {(std::istreambuf_iterator<char>(stream)), {}};
}

struct Recorded {
  absl::Status status;
  std::string transcript;
  std::vector<RecordedCall> calls;
};

Recorded Record(const FakeHost& host, Dialect dialect, const BootPlan& plan) {
  Recorded recorded;
  KvmStack stack(host, {.dialect = dialect});
  RecordingCalls calls(stack.kernel());
  {
    BootedGuest guest;
    recorded.status = Boot(calls, plan, guest);
    if (recorded.status.ok() && plan.vcpus == 1) recorded.status = FirstRun(guest);
  }
  recorded.transcript = calls.Transcript();
  recorded.calls = calls.calls();
  return recorded;
}

FakeHost EarlyHost() {
  FakeHost host = Gicv5Host();
  host.vgic_v5 = 15;
  return host;
}

struct Golden {
  const char* file;
  FakeHost host;
  Dialect dialect;
  BootPlan plan;
  const char* error;  // nothing: the boot succeeds
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.file; }

class TranscriptTest : public ::testing::TestWithParam<Golden> {};

TEST_P(TranscriptTest, IsAsWrittenDown) {
  const Golden& golden = GetParam();
  const Recorded recorded = Record(golden.host, golden.dialect, golden.plan);
  if (golden.error == nullptr) {
    EXPECT_TRUE(recorded.status.ok()) << recorded.status;
  } else {
    EXPECT_THAT(recorded.status.message(), HasSubstr(golden.error));
  }
  EXPECT_EQ(recorded.transcript,
            ReadFile(absl::StrCat("tests/kvm_calls/testdata/", golden.file, ".txt")))
      << "the transcript now is:\n"
      << recorded.transcript;
}

INSTANTIATE_TEST_SUITE_P(
    Boots, TranscriptTest,
    ::testing::Values(
        Golden{"gicv5_merged", Gicv5Host(), Dialect::kMerged, {.vcpus = 2}, nullptr},
        Golden{"gicv5_merged_run", Gicv5Host(), Dialect::kMerged, {.vcpus = 1}, nullptr},
        Golden{"gicv5_series_v2", Gicv5Host(), Dialect::kSeriesV2, {.vcpus = 2}, nullptr},
        Golden{"gicv5_series_v1", Gicv5Host(), Dialect::kSeriesV1, {.vcpus = 2}, nullptr},
        Golden{"gicv5_type_15", EarlyHost(), Dialect::kSeriesV1, {.vcpus = 2}, nullptr},
        Golden{"gicv5_ppi_only", Gicv5Host(), Dialect::kPpiOnly, {.vcpus = 2}, "Linux 7.4"},
        Golden{"gicv5_on_gicv3_host", Gicv3Host(), Dialect::kMerged, {.vcpus = 2}, "no GICv5"},
        Golden{"gicv3",
               Gicv3Host(),
               Dialect::kMerged,
               {.gic = BootPlan::Gic::kV3, .vcpus = 2},
               nullptr},
        Golden{"gicv3_run",
               Gicv3Host(),
               Dialect::kMerged,
               {.gic = BootPlan::Gic::kV3, .vcpus = 1},
               nullptr}),
    [](const auto& info) { return info.param.file; });

// The numbers of arm64 Linux (gicv5-reference 1.3; KVM_ARM_SET_COUNTER_OFFSET and
// KVM_PRE_FAULT_MEMORY from include/uapi/linux/kvm.h).
const std::map<std::string, uint32_t>& Arm64Requests() {
  static const auto& requests = *new std::map<std::string, uint32_t>{
      {"KVM_GET_API_VERSION", 0xae00},
      {"KVM_CREATE_VM", 0xae01},
      {"KVM_CHECK_EXTENSION", 0xae03},
      {"KVM_GET_VCPU_MMAP_SIZE", 0xae04},
      {"KVM_CREATE_VCPU", 0xae41},
      {"KVM_GET_DIRTY_LOG", 0x4010ae42},
      {"KVM_SET_USER_MEMORY_REGION", 0x4020ae46},
      {"KVM_IRQ_LINE", 0x4008ae61},
      {"KVM_SET_GSI_ROUTING", 0x4008ae6a},
      {"KVM_IRQFD", 0x4020ae76},
      {"KVM_IOEVENTFD", 0x4040ae79},
      {"KVM_RUN", 0xae80},
      {"KVM_GET_MP_STATE", 0x8004ae98},
      {"KVM_SET_MP_STATE", 0x4004ae99},
      {"KVM_GET_VCPU_EVENTS", 0x8040ae9f},
      {"KVM_SET_VCPU_EVENTS", 0x4040aea0},
      {"KVM_GET_ONE_REG", 0x4010aeab},
      {"KVM_SET_ONE_REG", 0x4010aeac},
      {"KVM_ARM_VCPU_INIT", 0x4020aeae},
      {"KVM_ARM_PREFERRED_TARGET", 0x8020aeaf},
      {"KVM_GET_REG_LIST", 0xc008aeb0},
      {"KVM_ARM_SET_COUNTER_OFFSET", 0x4010aeb5},
      {"KVM_ARM_VCPU_FINALIZE", 0x4004aec2},
      {"KVM_PRE_FAULT_MEMORY", 0xc040aed5},
      {"KVM_CREATE_DEVICE", 0xc00caee0},
      {"KVM_SET_DEVICE_ATTR", 0x4018aee1},
      {"KVM_GET_DEVICE_ATTR", 0x4018aee2},
      {"KVM_HAS_DEVICE_ATTR", 0x4018aee3},
  };
  return requests;
}

TEST(RequestsTest, NumbersAreThoseOfArm64Linux) {
  for (const auto& [name, number] : Arm64Requests()) {
    EXPECT_EQ(RequestName(number), name) << std::hex << number;
  }
}

// Every call of the whole seam, once, and the numbers that reach the kernel.
TEST(RequestsTest, TheSeamMakesThemAll) {
  FakeHost host = Gicv5Host();
  host.capabilities[236] = 1;  // KVM_CAP_PRE_FAULT_MEMORY
  host.capabilities[170] = 1;  // KVM_CAP_ARM_SVE
  KvmStack stack(host);
  RecordingCalls calls(stack.kernel());
  {
    BootedGuest guest;
    ASSERT_TRUE(Boot(calls, {}, guest).ok());
    ASSERT_TRUE(FirstRun(guest).ok());
    Vm& vm = *guest.vm;
    Vcpu& vcpu = *guest.vcpus[0];
    EXPECT_EQ(GetErrno(vm.GetDirtyLog(0).status()), ENOENT);
    EXPECT_TRUE(vm.IrqLine(IrqLineNumber(kIrqTypeSpi, 5), true).ok());
    EXPECT_TRUE(vm.SetGsiRouting({GsiRoute{.gsi = 1, .pin = 1}}).ok());
    EXPECT_TRUE(vm.SetCounterOffset(0x1234).ok());
    EXPECT_TRUE(vcpu.RegisterList().ok());
    EXPECT_TRUE(GetRegisterU64(vcpu, kCorePc).ok());
    EXPECT_TRUE(vcpu.SetMpState(*vcpu.GetMpState()).ok());
    EXPECT_TRUE(vcpu.SetEvents(*vcpu.GetEvents()).ok());
    EXPECT_TRUE(vcpu.PreFaultMemory(*GuestRange::Create(GuestAddress(0x40000000), 0x2000)).ok());
    EXPECT_EQ(GetErrno(vcpu.Finalize(kArmVcpuSve)), EINVAL);  // not a feature of this vCPU
  }
  std::map<std::string, uint32_t> made;
  for (const RecordedCall& call : calls.calls()) {
    if (call.request != 0) made[std::string(RequestName(call.request))] = call.request;
  }
  EXPECT_EQ(made, Arm64Requests());
}

// The struct of the n-th call whose line contains `text`.
std::vector<uint8_t> BytesOf(const Recorded& recorded, const std::string& text) {
  for (const RecordedCall& call : recorded.calls) {
    if (absl::StrContains(call.line, text)) return call.bytes;
  }
  ADD_FAILURE() << "no call with " << text << " in\n" << recorded.transcript;
  return {};
}

// Without user addresses, which end a struct: the bytes as the kernel reads them.
std::vector<uint8_t> Head(std::vector<uint8_t> bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

TEST(BytesTest, CreateDevice) {
  const Recorded recorded = Record(Gicv5Host(), Dialect::kMerged, {.vcpus = 2});
  EXPECT_THAT(BytesOf(recorded, "KVM_CREATE_DEVICE type=16 fd=0 flags=0x1"),
              ElementsAre(16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0));
  EXPECT_THAT(BytesOf(recorded, "KVM_CREATE_DEVICE type=16 fd=0 flags=0x0"),
              ElementsAre(16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST(BytesTest, Attributes) {
  const Recorded recorded = Record(Gicv5Host(), Dialect::kMerged, {.vcpus = 2});
  // flags, group, attr; then the address of the value.
  EXPECT_THAT(Head(BytesOf(recorded, "KVM_SET_DEVICE_ATTR group=3"), 16),
              ElementsAre(0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Head(BytesOf(recorded, "KVM_SET_DEVICE_ATTR group=0"), 16),
              ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(BytesOf(recorded, "KVM_SET_DEVICE_ATTR group=4"),
              ElementsAre(0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(BytesOf(recorded, "KVM_HAS_DEVICE_ATTR group=0"),
              ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(BytesOf(recorded, "KVM_HAS_DEVICE_ATTR group=11"),
              ElementsAre(0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST(BytesTest, VcpuInit) {
  const Recorded recorded = Record(Gicv5Host(), Dialect::kMerged, {.vcpus = 2});
  std::vector<uint8_t> first(32), second(32);
  first[0] = second[0] = 5;  // KVM_ARM_TARGET_GENERIC_V8
  first[4] = 4;              // PSCI 0.2
  second[4] = 5;             // and powered off
  EXPECT_EQ(BytesOf(recorded, "vcpu0 0x4020aeae"), first);
  EXPECT_EQ(BytesOf(recorded, "vcpu1 0x4020aeae"), second);
}

TEST(BytesTest, MemoryRegion) {
  const Recorded recorded = Record(Gicv5Host(), Dialect::kMerged, {.vcpus = 2});
  EXPECT_THAT(
      Head(BytesOf(recorded, "KVM_SET_USER_MEMORY_REGION"), 24),
      ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0));
}

TEST(BytesTest, Ioeventfd) {
  const Recorded recorded = Record(Gicv5Host(), Dialect::kMerged, {.vcpus = 2});
  std::vector<uint8_t> expected(64);
  expected[0] = 1;                                          // datamatch
  expected[8] = 0x50, expected[9] = 1, expected[11] = 0xb;  // addr 0x0b000150
  expected[16] = 4;                                         // len
  expected[24] = 1;                                         // KVM_IOEVENTFD_FLAG_DATAMATCH
  std::vector<uint8_t> bytes = BytesOf(recorded, "KVM_IOEVENTFD datamatch=0x1");
  ASSERT_EQ(bytes.size(), 64u);
  for (size_t n = 20; n < 24; ++n) bytes[n] = 0;  // fd
  EXPECT_EQ(bytes, expected);
}

TEST(BytesTest, Irqfd) {
  const Recorded recorded = Record(Gicv5Host(), Dialect::kMerged, {.vcpus = 2});
  std::vector<uint8_t> expected(32);
  expected[4] = 2;  // gsi
  expected[8] = 2;  // KVM_IRQFD_FLAG_RESAMPLE
  std::vector<uint8_t> bytes = BytesOf(recorded, "KVM_IRQFD fd=eventfd gsi=2");
  ASSERT_EQ(bytes.size(), 32u);
  EXPECT_NE(bytes[12], 0);                        // resamplefd
  for (size_t n = 0; n < 4; ++n) bytes[n] = 0;    // fd
  for (size_t n = 12; n < 16; ++n) bytes[n] = 0;  // resamplefd
  EXPECT_EQ(bytes, expected);
}

}  // namespace
}  // namespace firn::kvm::testing
