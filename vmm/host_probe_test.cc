// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/host_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "hypervisor/kvm/testing/fake_host.h"
#include "hypervisor/kvm/testing/fake_kvm.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/software_hypervisor.h"
#include "vmm/hypervisor_choice.h"

namespace firn {
namespace {

using kvm::testing::FakeHost;
using kvm::testing::FakeKvm;
using kvm::testing::Gicv3Host;
using kvm::testing::Gicv5Host;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A machine with a fake kernel; sees at its end that nothing was left open.
class Host {
 public:
  explicit Host(FakeHost host, std::string machine = "aarch64",
                software::gicv5::Dialect dialect = software::gicv5::Dialect::kMerged)
      : work_(*software::CreateSoftwareHypervisor({.dialect = dialect})),
        kernel_(std::move(host), *work_),
        machine_(std::move(machine)) {}
  ~Host() {
    EXPECT_THAT(kernel_.open_fds(), IsEmpty());
    EXPECT_THAT(kernel_.misuse(), IsEmpty());
  }

  KvmHost host() { return {.calls = kernel_, .machine = machine_}; }
  KvmProbe Probe() { return ProbeKvm(host()); }

 private:
  const std::unique_ptr<Hypervisor> work_;
  FakeKvm kernel_;
  const std::string machine_;
};

VmConfig Config(HypervisorChoice choice) {
  VmConfig config;
  config.hypervisor = choice;
  return config;
}

TEST(HostProbeTest, Gicv5Host) {
  Host host(Gicv5Host());
  const KvmProbe probe = host.Probe();
  EXPECT_TRUE(probe.is_usable());
  EXPECT_EQ(*probe.gicv5, Gicv5Support::kMerged);
  EXPECT_FALSE(probe.has_vgic_v3);
  EXPECT_GE(probe.ipa_bits, 32);
  EXPECT_GE(probe.max_vcpus, 1);
  EXPECT_EQ(probe.Obstacle(), "");
}

TEST(HostProbeTest, EarlyDeviceNumberCounts) {
  FakeHost early = Gicv5Host();
  early.vgic_v5 = kvm::kDevTypeArmVgicV5Early;
  EXPECT_EQ(*Host(early).Probe().gicv5, Gicv5Support::kMerged);
}

TEST(HostProbeTest, Gicv3Host) {
  const KvmProbe probe = Host(Gicv3Host()).Probe();
  EXPECT_TRUE(probe.is_usable());
  EXPECT_EQ(*probe.gicv5, Gicv5Support::kNone);
  EXPECT_TRUE(probe.has_vgic_v3);
}

TEST(HostProbeTest, TheDialectOfGicv5IsTold) {
  using software::gicv5::Dialect;
  const std::pair<Dialect, Gicv5Support> dialects[] = {
      {Dialect::kPpiOnly, Gicv5Support::kPpiOnly},
      {Dialect::kSeriesV1, Gicv5Support::kSeries},
      {Dialect::kSeriesV2, Gicv5Support::kSeries},
      {Dialect::kMerged, Gicv5Support::kMerged},
  };
  for (const auto& [dialect, support] : dialects) {
    FakeHost both = Gicv5Host();
    both.has_vgic_v3 = true;
    EXPECT_EQ(*Host(both, "aarch64", dialect).Probe().gicv5, support);
  }
  const KvmProbe alone = Host(Gicv5Host(), "aarch64", Dialect::kPpiOnly).Probe();
  EXPECT_FALSE(alone.is_usable());
  EXPECT_THAT(alone.Obstacle(), AllOf(HasSubstr("PPIs alone"), HasSubstr("Linux 7.4")));
}

TEST(HostProbeTest, SmallIpaSizeIsAskedFor) {
  FakeHost small = Gicv3Host();
  small.capabilities[kvm::kCapArmVmIpaSize] = 36;
  const KvmProbe probe = Host(small).Probe();
  EXPECT_TRUE(probe.is_usable());
  EXPECT_EQ(probe.ipa_bits, 36);
}

TEST(HostProbeTest, X86KvmIsNoUse) {
  Host host(kvm::testing::X86Host(), "x86_64");
  EXPECT_THAT(host.Probe().Obstacle(),
              AllOf(HasSubstr("this machine is x86_64"), HasSubstr("needs an arm64 machine")));
  EXPECT_FALSE(host.Probe().is_usable());
}

// A container or an emulator may give one architecture's uname with another's device node.
TEST(HostProbeTest, X86KvmUnderAnArm64NameIsNoUse) {
  Host host(kvm::testing::X86Host());
  EXPECT_THAT(host.Probe().Obstacle(), HasSubstr("not an arm64 machine's"));
}

TEST(HostProbeTest, MissingKvmSaysWhatToDo) {
  FakeHost closed = Gicv3Host();
  closed.open_error = ENOENT;
  EXPECT_THAT(Host(closed).Probe().Obstacle(),
              AllOf(HasSubstr("/dev/kvm"), HasSubstr("ENOENT"), HasSubstr("enable KVM")));
  closed.open_error = EACCES;
  EXPECT_THAT(Host(closed).Probe().Obstacle(), HasSubstr("group kvm"));
  closed.open_error = ENODEV;
  EXPECT_THAT(Host(closed).Probe().Obstacle(), HasSubstr("EL2"));
  closed.open_error = EMFILE;
  EXPECT_THAT(Host(closed).Probe().Obstacle(), HasSubstr("ulimit -n"));
}

TEST(HostProbeTest, OldApiVersion) {
  FakeHost old = Gicv3Host();
  old.api_version = 11;
  EXPECT_THAT(Host(old).Probe().Obstacle(), HasSubstr("API version 11"));
}

TEST(HostProbeTest, EachMissingCapabilityIsNamed) {
  const std::pair<kvm::Capability, std::string> needed[] = {
      {kvm::kCapUserMemory, "KVM_CAP_USER_MEMORY (3)"},
      {kvm::kCapOneReg, "KVM_CAP_ONE_REG (70)"},
      {kvm::kCapDeviceCtrl, "KVM_CAP_DEVICE_CTRL (89)"},
      {kvm::kCapArmPsci02, "KVM_CAP_ARM_PSCI_0_2 (102)"},
      {kvm::kCapMpState, "KVM_CAP_MP_STATE (14)"},
      {kvm::kCapImmediateExit, "KVM_CAP_IMMEDIATE_EXIT (136)"},
      {kvm::kCapIrqfd, "KVM_CAP_IRQFD (32)"},
      {kvm::kCapIoeventfd, "KVM_CAP_IOEVENTFD (36)"},
      {kvm::kCapArmVmIpaSize, "KVM_CAP_ARM_VM_IPA_SIZE"},
  };
  for (const auto& [capability, name] : needed) {
    FakeHost lacking = Gicv3Host();
    lacking.capabilities.erase(capability);
    EXPECT_THAT(Host(lacking).Probe().Obstacle(), HasSubstr(name));
  }
}

TEST(HostProbeTest, NoControllerAtAll) {
  FakeHost none = Gicv3Host();
  none.has_vgic_v3 = false;
  EXPECT_THAT(Host(none).Probe().Obstacle(), HasSubstr("neither VGICv5 nor VGICv3"));
}

TEST(HostProbeTest, ThisMachineCanBeProbed) {
  const KvmProbe probe = ProbeKvm(KvmHost::ThisMachine());
  EXPECT_EQ(probe.is_usable(), probe.Obstacle().empty());
}

TEST(HypervisorChoiceTest, AutoTakesKvmWhereThereIsOne) {
  Host host(Gicv3Host());
  const absl::StatusOr<OpenedHypervisor> opened =
      OpenHypervisor(Config(HypervisorChoice::kAuto), host.host());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->hypervisor->name(), "kvm");
  EXPECT_EQ(opened->reason, "");
}

TEST(HypervisorChoiceTest, AutoTakesSoftwareElseAndSaysWhy) {
  Host host(kvm::testing::X86Host(), "x86_64");
  const absl::StatusOr<OpenedHypervisor> opened =
      OpenHypervisor(Config(HypervisorChoice::kAuto), host.host());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->hypervisor->name(), "software");
  EXPECT_THAT(opened->reason, HasSubstr("not KVM, because this machine is x86_64"));
}

TEST(HypervisorChoiceTest, SettingsOfSoftwareDecide) {
  VmConfig config = Config(HypervisorChoice::kAuto);
  config.software.stop_at = 1000;
  Host host(Gicv3Host());
  const absl::StatusOr<OpenedHypervisor> opened = OpenHypervisor(config, host.host());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->hypervisor->name(), "software");
  EXPECT_THAT(opened->reason, HasSubstr("--stop-at"));

  config.hypervisor = HypervisorChoice::kKvm;
  const absl::Status refused = OpenHypervisor(config, host.host()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("--stop-at needs the software hypervisor"));
}

TEST(HypervisorChoiceTest, KvmIsNotReplacedWhereItWasAskedFor) {
  FakeHost closed = Gicv3Host();
  closed.open_error = EACCES;
  Host host(closed);
  const absl::Status status = OpenHypervisor(Config(HypervisorChoice::kKvm), host.host()).status();
  EXPECT_THAT(status.message(), AllOf(HasSubstr("--hypervisor=kvm"), HasSubstr("EACCES")));
}

}  // namespace
}  // namespace firn
