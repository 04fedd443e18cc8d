// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What KVM_RUN, KVM_CREATE_VCPU, KVM_ARM_VCPU_INIT and the vCPU's attributes refuse, and with
// which errno (gicv5-reference 1.12 and 1.13).
#include <gtest/gtest.h>

#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/software_hypervisor.h"
#include "hypervisor/vm.h"

namespace firn::software {
namespace {

constexpr uint32_t kPsci = 1u << kvm::kArmVcpuPsci02;
constexpr uint32_t kPowerOff = 1u << kvm::kArmVcpuPowerOff;

class RunErrorsTest : public ::testing::Test {
 protected:
  int Init(Vcpu& vcpu, uint32_t features = kPsci) {
    return GetErrno(vcpu.Init({.target = kvm::kArmTargetGenericV8, .features = {features}}));
  }
  int RunErrno(Vcpu& vcpu) { return GetErrno(vcpu.Run().status()); }
  Device& CreateGic() { return **vm_->CreateDevice(kvm::kDevTypeArmVgicV5); }
  int SetIrs(Device& gic) {
    return GetErrno(SetAttrU64(gic, kvm::kVgicGrpAddr, kvm::kVgicV5AddrTypeIrs, 0x08000000));
  }
  int InitGic(Device& gic) {
    return GetErrno(gic.SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlInit, 0));
  }
  int SetTimer(Vcpu& vcpu, uint64_t attr, uint32_t intid) {
    return GetErrno(SetAttrU32(vcpu, kvm::kVcpuTimerCtrl, attr, intid));
  }

  std::unique_ptr<Hypervisor> hypervisor_ = *CreateSoftwareHypervisor();
  std::unique_ptr<Vm> vm_ = *hypervisor_->CreateVm(40);
};

TEST_F(RunErrorsTest, NothingWorksBeforeInit) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  EXPECT_EQ(RunErrno(*vcpu), ENOEXEC);
  EXPECT_EQ(GetErrno(vcpu->RegisterList().status()), ENOEXEC);
  EXPECT_EQ(GetErrno(GetRegisterU64(*vcpu, kvm::kCorePc).status()), ENOEXEC);
  EXPECT_EQ(GetErrno(SetRegisterU64(*vcpu, kvm::kCorePc, 0)), ENOEXEC);
  EXPECT_EQ(GetErrno(vcpu->GetMpState().status()), ENOEXEC);
  EXPECT_EQ(GetErrno(vcpu->SetMpState(kvm::kMpStateRunnable)), ENOEXEC);
  EXPECT_EQ(GetErrno(vcpu->GetEvents().status()), ENOEXEC);
  EXPECT_EQ(GetErrno(vcpu->SetEvents({})), ENOEXEC);
  EXPECT_EQ(Init(*vcpu), 0);
  EXPECT_TRUE(vcpu->RegisterList().ok());
}

TEST_F(RunErrorsTest, InitChecksTargetAndFeatures) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  EXPECT_EQ(GetErrno(vcpu->Init({.target = 0, .features = {}})), EINVAL);
  EXPECT_EQ(GetErrno(vcpu->Init({.target = 6, .features = {}})), EINVAL);
  EXPECT_EQ(Init(*vcpu, kPsci | 1u << 10), ENOENT);
  EXPECT_EQ(Init(*vcpu, kPsci | 1u << 31), ENOENT);
  EXPECT_EQ(GetErrno(vcpu->Init({.target = kvm::kArmTargetGenericV8, .features = {kPsci, 1}})),
            ENOENT);
  for (uint32_t feature :
       {kvm::kArmVcpuEl1_32Bit, kvm::kArmVcpuPmuV3, kvm::kArmVcpuSve, kvm::kArmVcpuPtrauthAddress,
        kvm::kArmVcpuPtrauthGeneric, kvm::kArmVcpuHasEl2, kvm::kArmVcpuHasEl2E2h0}) {
    EXPECT_EQ(Init(*vcpu, kPsci | 1u << feature), EINVAL) << feature;
  }
  EXPECT_EQ(GetErrno(vcpu->Finalize(kvm::kArmVcpuSve)), EINVAL);
  EXPECT_EQ(Init(*vcpu), 0);
}

// POWER_OFF aside, all vCPUs of a VM have the same features.
TEST_F(RunErrorsTest, FeaturesAreTheSameForAll) {
  std::unique_ptr<Vcpu> first = *vm_->CreateVcpu(0);
  std::unique_ptr<Vcpu> second = *vm_->CreateVcpu(1);
  EXPECT_EQ(Init(*first, kPsci), 0);
  EXPECT_EQ(Init(*second, 0), EINVAL);
  EXPECT_EQ(Init(*second, kPsci | kPowerOff), 0);
  EXPECT_EQ(Init(*first, 0), EINVAL);
  EXPECT_EQ(*first->GetMpState(), kvm::kMpStateRunnable);
  EXPECT_EQ(*second->GetMpState(), kvm::kMpStateStopped);
}

TEST_F(RunErrorsTest, InitResets) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  ASSERT_TRUE(SetRegisterU64(*vcpu, kvm::kCorePc, 0x1234).ok());
  ASSERT_TRUE(SetRegisterU64(*vcpu, kvm::CoreX(5), 5).ok());
  ASSERT_TRUE(SetRegisterU64(*vcpu, kvm::kCorePstate, 0).ok());
  ASSERT_TRUE(SetRegisterU64(*vcpu, kvm::kTimerCtl, 1).ok());
  ASSERT_EQ(Init(*vcpu), 0);
  EXPECT_EQ(*GetRegisterU64(*vcpu, kvm::kCorePc), 0u);
  EXPECT_EQ(*GetRegisterU64(*vcpu, kvm::CoreX(5)), 0u);
  EXPECT_EQ(*GetRegisterU64(*vcpu, kvm::kCorePstate), 0x3c5u);
  EXPECT_EQ(*GetRegisterU64(*vcpu, kvm::kTimerCtl), 0u);
}

TEST_F(RunErrorsTest, CreateVcpu) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(17);
  EXPECT_EQ(vcpu->id(), 17u);
  EXPECT_EQ(GetErrno(vm_->CreateVcpu(17).status()), EEXIST);
  EXPECT_EQ(GetErrno(vm_->CreateVcpu(512).status()), EINVAL);
  EXPECT_EQ(GetErrno(vm_->CreateVcpu(~0u).status()), EINVAL);
  std::vector<std::unique_ptr<Vcpu>> more;
  for (uint32_t id = 0; id < 7; ++id) more.push_back(*vm_->CreateVcpu(id));
  EXPECT_EQ(GetErrno(vm_->CreateVcpu(8).status()), EINVAL);  // the ninth
}

TEST_F(RunErrorsTest, CreateVcpuIsTooLateAfterGicInit) {
  Device& gic = CreateGic();
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  ASSERT_EQ(InitGic(gic), 0);
  EXPECT_EQ(GetErrno(vm_->CreateVcpu(1).status()), EBUSY);
}

TEST_F(RunErrorsTest, CreateDevice) {
  EXPECT_EQ(GetErrno(vm_->CreateDevice(0).status()), ENODEV);
  EXPECT_EQ(GetErrno(vm_->CreateDevice(0, true).status()), ENODEV);
  EXPECT_EQ(GetErrno(vm_->CreateDevice(kvm::kDevTypeArmVgicV3).status()), ENODEV);
  ASSERT_TRUE(vm_->CreateDevice(kvm::kDevTypeArmVgicV5, true).ok());
  ASSERT_TRUE(vm_->CreateDevice(kvm::kDevTypeArmVgicV5, true).ok());  // made nothing
  ASSERT_TRUE(vm_->CreateDevice(kvm::kDevTypeArmVgicV5).ok());
  EXPECT_EQ(GetErrno(vm_->CreateDevice(kvm::kDevTypeArmVgicV5).status()), EEXIST);
}

TEST_F(RunErrorsTest, RunBeforeGicInitKillsTheVm) {
  Device& gic = CreateGic();
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  EXPECT_EQ(RunErrno(*vcpu), EBUSY);
  // Dead: everything is EIO.
  EXPECT_EQ(RunErrno(*vcpu), EIO);
  EXPECT_EQ(Init(*vcpu), EIO);
  EXPECT_EQ(GetErrno(GetRegisterU64(*vcpu, kvm::kCorePc).status()), EIO);
  EXPECT_EQ(GetErrno(SetRegisterU64(*vcpu, kvm::kCorePc, 0)), EIO);
  EXPECT_EQ(GetErrno(vcpu->GetMpState().status()), EIO);
  EXPECT_EQ(GetErrno(vm_->CreateVcpu(1).status()), EIO);
  EXPECT_EQ(GetErrno(vm_->SetMemorySlot({})), EIO);
  EXPECT_EQ(GetErrno(vm_->GetDirtyLog(0).status()), EIO);
  EXPECT_EQ(GetErrno(vm_->IrqLine(0, true)), EIO);
  EXPECT_EQ(GetErrno(vm_->RegisterIrqFd({})), EIO);
  EXPECT_EQ(GetErrno(vm_->RegisterIoEventFd({})), EIO);
  EXPECT_EQ(GetErrno(vm_->SetCounterOffset(0)), EIO);
  EXPECT_EQ(GetErrno(vm_->SetGsiRouting({})), EIO);
  EXPECT_EQ(SetIrs(gic), EIO);
  EXPECT_EQ(InitGic(gic), EIO);
  EXPECT_EQ(GetErrno(vm_->CreateDevice(kvm::kDevTypeArmVgicV5).status()), EIO);
}

TEST_F(RunErrorsTest, RunWithoutIrsAddressKillsTheVm) {
  Device& gic = CreateGic();
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  ASSERT_EQ(InitGic(gic), 0);
  EXPECT_EQ(RunErrno(*vcpu), ENXIO);
  EXPECT_EQ(RunErrno(*vcpu), EIO);
}

TEST_F(RunErrorsTest, TimerInterruptIsTheFixedOne) {
  Device& gic = CreateGic();
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  ASSERT_EQ(SetIrs(gic), 0);
  ASSERT_EQ(InitGic(gic), 0);
  EXPECT_EQ(*GetAttrU32(*vcpu, kvm::kVcpuTimerCtrl, kvm::kVcpuTimerIrqVtimer), 0x2000001bu);
  EXPECT_EQ(*GetAttrU32(*vcpu, kvm::kVcpuTimerCtrl, kvm::kVcpuTimerIrqPtimer), 0x2000001eu);
  // Not a full INTID of a PPI.
  for (uint32_t intid : {27u, 30u, 11u, 0x4000001bu, 0x6000001bu, 0x20000040u}) {
    EXPECT_EQ(SetTimer(*vcpu, kvm::kVcpuTimerIrqVtimer, intid), EINVAL) << intid;
  }
  EXPECT_EQ(SetTimer(*vcpu, kvm::kVcpuTimerIrqVtimer, 0x2000001b), 0);
  // Another PPI is taken, but then the VM does not run. It is not dead.
  EXPECT_EQ(SetTimer(*vcpu, kvm::kVcpuTimerIrqPtimer, 0x2000001d), 0);
  EXPECT_EQ(RunErrno(*vcpu), EINVAL);
  EXPECT_EQ(RunErrno(*vcpu), EINVAL);
  EXPECT_EQ(SetTimer(*vcpu, kvm::kVcpuTimerIrqPtimer, 0x2000001e), 0);
  vcpu->Kick();
  ASSERT_TRUE(vcpu->Run().ok());
  EXPECT_EQ(SetTimer(*vcpu, kvm::kVcpuTimerIrqPtimer, 0x2000001e), EBUSY);
}

TEST_F(RunErrorsTest, VcpuAttributes) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  EXPECT_EQ(GetErrno(vcpu->HasAttr(kvm::kVcpuTimerCtrl, kvm::kVcpuTimerIrqVtimer)), 0);
  EXPECT_EQ(GetErrno(vcpu->HasAttr(kvm::kVcpuTimerCtrl, 7)), ENXIO);
  EXPECT_EQ(GetErrno(vcpu->HasAttr(kvm::kVcpuPmuV3Ctrl, kvm::kVcpuPmuV3Irq)), ENXIO);
  EXPECT_EQ(GetErrno(vcpu->HasAttr(99, 0)), ENXIO);
  EXPECT_EQ(GetErrno(vcpu->SetAttr(99, 0, 0)), ENXIO);
  EXPECT_EQ(GetErrno(vcpu->GetAttr(99, 0, 0)), ENXIO);
  EXPECT_EQ(GetErrno(vcpu->SetAttr(kvm::kVcpuTimerCtrl, 0, 1)), EFAULT);
  EXPECT_EQ(GetErrno(vcpu->GetAttr(kvm::kVcpuTimerCtrl, 0, 1)), EFAULT);
  // Without an in-kernel GIC.
  EXPECT_EQ(SetTimer(*vcpu, kvm::kVcpuTimerIrqVtimer, 0x2000001b), EINVAL);
}

TEST_F(RunErrorsTest, MpStateAndEvents) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu, kPsci | kPowerOff), 0);
  EXPECT_EQ(*vcpu->GetMpState(), kvm::kMpStateStopped);
  EXPECT_TRUE(vcpu->SetMpState(kvm::kMpStateRunnable).ok());
  EXPECT_EQ(*vcpu->GetMpState(), kvm::kMpStateRunnable);
  EXPECT_EQ(GetErrno(vcpu->SetMpState(static_cast<kvm::MpState>(3))), EINVAL);
  EXPECT_EQ(vcpu->GetEvents()->serror_pending, 0);
  EXPECT_TRUE(vcpu->SetEvents({}).ok());
  kvm::VcpuEvents serror = {};
  serror.serror_pending = 1;
  EXPECT_EQ(GetErrno(vcpu->SetEvents(serror)), EINVAL);
}

TEST_F(RunErrorsTest, InterruptsNeedAGic) {
  EXPECT_EQ(GetErrno(vm_->IrqLine(kvm::IrqLineNumber(kvm::kIrqTypeSpi, 0), true)), ENXIO);
  const std::vector<GsiRoute> bad = {{.gsi = 0, .pin = 1024}};
  EXPECT_EQ(GetErrno(vm_->SetGsiRouting(bad)), EINVAL);
}

TEST_F(RunErrorsTest, CreateVmChecksTheAddressWidth) {
  for (int bits : {1, 31, 41, 48, 52, -1}) {
    EXPECT_EQ(GetErrno(hypervisor_->CreateVm(bits).status()), EINVAL) << bits;
  }
  EXPECT_TRUE(hypervisor_->CreateVm(0).ok());
  EXPECT_TRUE(hypervisor_->CreateVm(32).ok());
  EXPECT_EQ(vm_->CheckExtension(kvm::kCapArmVmIpaSize), 40);
}

// The program counter at reset is not in memory: that is the guest's fault, not an error.
TEST_F(RunErrorsTest, FetchLoopOutsideMemoryCanBeKicked) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0);
  ASSERT_EQ(Init(*vcpu), 0);
  vcpu->Kick();
  const absl::StatusOr<Exit> exit = vcpu->Run();
  ASSERT_TRUE(exit.ok());
  EXPECT_TRUE(std::holds_alternative<KickedExit>(*exit));
}

}  // namespace
}  // namespace firn::software
