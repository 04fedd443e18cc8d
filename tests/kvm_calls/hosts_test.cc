// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Hosts on which the kvm backend cannot run a guest: each says why, and what to do.
#include <cerrno>
#include <string>
#include <utility>

#include "hypervisor/errno_status.h"
#include "tests/kvm_calls/boot_sequence.h"
#include "tests/kvm_calls/kvm_stack.h"

namespace firn::kvm::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status BootOn(FakeHost host, const BootPlan& plan = {}) {
  KvmStack stack(std::move(host));
  BootedGuest guest;
  absl::Status status = Boot(stack.kernel(), plan, guest);
  return status.ok() && plan.vcpus == 1 ? FirstRun(guest) : status;
}

TEST(HostsTest, NoKvm) {
  FakeHost host = Gicv5Host();
  host.open_error = ENOENT;
  const absl::Status status = BootOn(host);
  EXPECT_EQ(GetErrno(status), ENOENT);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("/dev/kvm"), HasSubstr("ENOENT")));
}

TEST(HostsTest, NoPermission) {
  FakeHost host = Gicv5Host();
  host.open_error = EACCES;
  const absl::Status status = BootOn(host);
  EXPECT_EQ(GetErrno(status), EACCES);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("/dev/kvm"), HasSubstr("group kvm")));
}

TEST(HostsTest, X86) {
  EXPECT_THAT(BootOn(X86Host()).message(), AllOf(HasSubstr("/dev/kvm"), HasSubstr("arm64")));
}

TEST(HostsTest, OtherApiVersion) {
  FakeHost host = Gicv5Host();
  host.api_version = 11;
  EXPECT_THAT(BootOn(host).message(), AllOf(HasSubstr("API version 11"), HasSubstr("12")));
}

// Each capability of the host is taken away: it is named, or the guest boots without.
TEST(HostsTest, EveryCapabilityIsNamedOrNotNeeded) {
  const std::map<uint32_t, std::string> needed = {
      {3, "KVM_CAP_USER_MEMORY"},
      {14, "KVM_CAP_MP_STATE"},
      {32, "KVM_CAP_IRQFD"},
      {36, "KVM_CAP_IOEVENTFD"},
      {70, "KVM_CAP_ONE_REG"},
      {89, "KVM_CAP_DEVICE_CTRL"},
      {102, "KVM_CAP_ARM_PSCI_0_2"},
      {136, "KVM_CAP_IMMEDIATE_EXIT"},
      {165, "KVM_CAP_ARM_VM_IPA_SIZE"},
  };
  for (const auto& [capability, value] : Arm64Capabilities()) {
    SCOPED_TRACE(capability);
    FakeHost host = Gicv5Host();
    host.capabilities.erase(capability);
    const absl::Status status = BootOn(host);
    if (const auto found = needed.find(capability); found != needed.end()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(status.message(), HasSubstr(found->second));
      continue;
    }
    // Limits and what this boot's own calls are for.
    const bool is_used = capability == kCapMaxVcpus || capability == kCapMaxVcpuId ||
                         capability == kCapNrMemslots || capability == kCapIrqfdResample;
    EXPECT_EQ(status.ok(), !is_used) << status;
    EXPECT_EQ(GetErrno(status), is_used ? EINVAL : 0);
  }
}

TEST(HostsTest, VcpuLimit) {
  FakeHost host = Gicv5Host();
  host.capabilities[kCapMaxVcpus] = 2;
  EXPECT_TRUE(BootOn(host, {.vcpus = 2}).ok());
  const absl::Status status = BootOn(host, {.vcpus = 3});
  EXPECT_EQ(GetErrno(status), EINVAL);
  EXPECT_THAT(status.message(), HasSubstr("KVM_CREATE_VCPU"));
}

TEST(HostsTest, IpaLimit) {
  FakeHost host = Gicv5Host();
  host.capabilities[kCapArmVmIpaSize] = 36;
  const absl::Status status = BootOn(host);
  EXPECT_EQ(GetErrno(status), EINVAL);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("KVM_CREATE_VM"), HasSubstr("36")));
  host.capabilities[kCapArmVmIpaSize] = 48;
  EXPECT_TRUE(BootOn(host).ok());
}

TEST(HostsTest, MemorySlotLimit) {
  FakeHost host = Gicv5Host();
  host.capabilities[kCapNrMemslots] = 2;
  KvmStack stack(host);
  BootedGuest guest;
  ASSERT_TRUE(Boot(stack.kernel(), {}, guest).ok());
  const absl::Status status = guest.vm->SetMemorySlot({.slot = 2,
                                                       .address = GuestAddress(0x80000000),
                                                       .size = 0x1000,
                                                       .host = guest.memory->regions()[0].host});
  EXPECT_EQ(GetErrno(status), EINVAL);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("KVM_SET_USER_MEMORY_REGION"), HasSubstr("2 memory slots")));
}

TEST(HostsTest, FdLimitAtEveryCount) {
  // /dev/kvm, the VM, the GIC, a vCPU.
  constexpr size_t kNeeded = 4;
  for (size_t limit = 0; limit < kNeeded; ++limit) {
    SCOPED_TRACE(limit);
    FakeHost host = Gicv5Host();
    host.fd_limit = limit;
    const absl::Status status = BootOn(host);
    EXPECT_EQ(GetErrno(status), EMFILE);
    EXPECT_THAT(status.message(), HasSubstr("ulimit -n"));
  }
  FakeHost host = Gicv5Host();
  host.fd_limit = kNeeded;
  EXPECT_TRUE(BootOn(host).ok());
}

TEST(HostsTest, LargerPagesThanTheRegions) {
  for (const size_t page_size : {size_t{16384}, size_t{65536}}) {
    FakeHost host = Gicv5Host();
    host.page_size = page_size;
    EXPECT_TRUE(BootOn(host).ok());
    KvmStack stack(host);
    BootedGuest guest;
    ASSERT_TRUE(Boot(stack.kernel(), {}, guest).ok());
    const absl::Status status = guest.vm->SetMemorySlot({.slot = 1,
                                                         .address = GuestAddress(0x80000000),
                                                         .size = 0x1000,
                                                         .host = guest.memory->regions()[0].host});
    EXPECT_EQ(GetErrno(status), EINVAL);
  }
}

TEST(HostsTest, Gicv5OnAGicv3HostNamesEveryPossibleCause) {
  EXPECT_THAT(BootOn(Gicv3Host()).message(),
              AllOf(HasSubstr("GICv5"), HasSubstr("machine"), HasSubstr("Linux 7.4")));
}

TEST(HostsTest, Gicv3OnAGicv5HostNamesEveryPossibleCause) {
  EXPECT_THAT(BootOn(Gicv5Host(), {.gic = BootPlan::Gic::kV3}).message(),
              AllOf(HasSubstr("no GICv3"), HasSubstr("machine"), HasSubstr("kernel")));
}

}  // namespace
}  // namespace firn::kvm::testing
