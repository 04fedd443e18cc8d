// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Every kind of host, with every choice.
#include "arch-aarch64/controller_choice.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "arch-aarch64/mock_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

absl::Status Errno(int number) { return ErrnoStatus(number, "call"); }

// A host whose VMs have these devices.
class Host final : public Hypervisor {
 public:
  Host(Gicv5Support v5, bool has_v3) : v5_(v5), has_v3_(has_v3) {}

  std::string_view name() const override { return "mock"; }
  bool is_deterministic() const override { return false; }
  int CheckExtension(kvm::Capability) const override { return 0; }
  absl::StatusOr<std::unique_ptr<Vm>> CreateVm(int ipa_bits) override {
    EXPECT_EQ(ipa_bits, 40);
    ++vms_;
    auto vm = std::make_unique<NiceMock<MockVm>>();
    ON_CALL(*vm, CreateDevice)
        .WillByDefault([this, made = false](uint32_t type, bool test) mutable {
          return Make(type, test, made);
        });
    ON_CALL(*vm, CreateVcpu).WillByDefault([](uint32_t) -> absl::StatusOr<std::unique_ptr<Vcpu>> {
      return std::make_unique<NiceMock<MockVcpu>>();
    });
    return vm;
  }

  absl::StatusOr<ChosenController> Choose(GicChoice choice) {
    vm_ = *CreateVm(40);
    return CreateInterruptController(*this, *vm_, 40, choice, {.spis = 3, .vcpu_ids = {0}});
  }
  // The VMs that a choice made, beside its own.
  int throw_away_vms() const { return vms_ - 1; }

 private:
  absl::StatusOr<Device*> Make(uint32_t type, bool test, bool& made) {
    const bool has = (type == kvm::kDevTypeArmVgicV5 && v5_ != Gicv5Support::kNone) ||
                     (type == kvm::kDevTypeArmVgicV3 && has_v3_);
    if (!has) return Errno(ENODEV);
    if (test) return nullptr;
    if (std::exchange(made, true)) return Errno(EEXIST);
    ON_CALL(device_, HasAttr).WillByDefault([this](uint32_t group, uint64_t) {
      if (group == kvm::kVgicGrpAddr && v5_ == Gicv5Support::kPpiOnly) return Errno(ENXIO);
      if (group == kvm::kVgicGrpIrsRegs && v5_ != Gicv5Support::kMerged) return Errno(ENXIO);
      return absl::OkStatus();
    });
    return &device_;
  }

  const Gicv5Support v5_;
  const bool has_v3_;
  NiceMock<MockDevice> device_;
  int vms_ = 0;
  std::unique_ptr<Vm> vm_;
};

constexpr Gicv5Support kSupports[] = {Gicv5Support::kNone, Gicv5Support::kPpiOnly,
                                      Gicv5Support::kSeries, Gicv5Support::kMerged};

TEST(ControllerChoiceTest, TheProbeTellsWhatThereIs) {
  for (Gicv5Support support : kSupports) {
    Host host(support, true);
    const absl::StatusOr<Gicv5Support> probed = ProbeGicv5(host, 40);
    ASSERT_TRUE(probed.ok()) << probed.status();
    EXPECT_EQ(*probed, support);
  }
}

TEST(ControllerChoiceTest, AutoTakesGicv5WhereLinuxRunsOnIt) {
  for (Gicv5Support support : {Gicv5Support::kSeries, Gicv5Support::kMerged}) {
    for (bool has_v3 : {false, true}) {
      Host host(support, has_v3);
      const auto chosen = host.Choose(GicChoice::kAuto);
      ASSERT_TRUE(chosen.ok()) << chosen.status();
      EXPECT_EQ(chosen->controller->name(), "GICv5");
      EXPECT_EQ(chosen->reason, "");
    }
  }
}

TEST(ControllerChoiceTest, AutoTakesGicv3ElseAndSaysWhy) {
  Host old(Gicv5Support::kNone, true);
  auto chosen = old.Choose(GicChoice::kAuto);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->controller->name(), "GICv3");
  EXPECT_THAT(chosen->reason, HasSubstr("has none for guests"));
  EXPECT_EQ(old.throw_away_vms(), 0) << "a VM costs time, and here nothing is to find out";

  Host ppi_only(Gicv5Support::kPpiOnly, true);
  chosen = ppi_only.Choose(GicChoice::kAuto);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->controller->name(), "GICv3");
  EXPECT_THAT(chosen->reason, AllOf(HasSubstr("no SPIs and LPIs"), HasSubstr("Linux 7.4")));
}

TEST(ControllerChoiceTest, AutoOnAHostThatHasNothingForLinux) {
  Host none(Gicv5Support::kNone, false);
  absl::Status status = none.Choose(GicChoice::kAuto).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(status.message(), HasSubstr("neither a GICv5 nor a GICv3"));

  Host ppi_only(Gicv5Support::kPpiOnly, false);
  status = ppi_only.Choose(GicChoice::kAuto).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(status.message(), AllOf(HasSubstr("SPIs and LPIs"), HasSubstr("Linux 7.4")));
}

TEST(ControllerChoiceTest, Gicv5AskedFor) {
  for (Gicv5Support support : kSupports) {
    for (bool has_v3 : {false, true}) {
      Host host(support, has_v3);
      const auto chosen = host.Choose(GicChoice::kV5);
      switch (support) {
        case Gicv5Support::kNone:
          EXPECT_THAT(chosen.status().message(),
                      AllOf(HasSubstr("the machine has no GICv5"), HasSubstr("kernel is older")));
          EXPECT_EQ(chosen.status().message().find("use --gic=auto") != std::string::npos, has_v3);
          break;
        case Gicv5Support::kPpiOnly:
          EXPECT_THAT(chosen.status().message(), HasSubstr("SPIs and LPIs"));
          EXPECT_EQ(chosen.status().message().find("use --gic=auto") != std::string::npos, has_v3);
          break;
        case Gicv5Support::kSeries:
        case Gicv5Support::kMerged:
          ASSERT_TRUE(chosen.ok()) << chosen.status();
          EXPECT_EQ(chosen->controller->name(), "GICv5");
      }
    }
  }
}

TEST(ControllerChoiceTest, Gicv3AskedFor) {
  for (Gicv5Support support : kSupports) {
    Host with(support, true);
    const auto chosen = with.Choose(GicChoice::kV3);
    ASSERT_TRUE(chosen.ok()) << chosen.status();
    EXPECT_EQ(chosen->controller->name(), "GICv3");
    EXPECT_EQ(with.throw_away_vms(), 0);

    Host without(support, false);
    const absl::Status status = without.Choose(GicChoice::kV3).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(status.message(), HasSubstr("no GICv3 for guests"));
  }
}

TEST(ControllerChoiceTest, ErrorsOfTheProbeAreNotTakenForAbsence) {
  NiceMock<MockVm> vm;
  Host host(Gicv5Support::kNone, true);
  for (int error : {EIO, EBUSY}) {
    ON_CALL(vm, CreateDevice).WillByDefault(Return(Errno(error)));
    for (GicChoice choice : {GicChoice::kAuto, GicChoice::kV5, GicChoice::kV3}) {
      const auto chosen =
          CreateInterruptController(host, vm, 40, choice, {.spis = 1, .vcpu_ids = {0}});
      EXPECT_EQ(GetErrno(chosen.status()), error);
    }
  }
}

}  // namespace
}  // namespace firn
