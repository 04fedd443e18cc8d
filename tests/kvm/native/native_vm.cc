// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tests/kvm/native/native_vm.h"

#include <cstring>
#include <functional>
#include <optional>
#include <variant>

#include "absl/log/check.h"
#include "arch-aarch64/memory_layout.h"
#include "arch-aarch64/vcpu_features.h"
#include "arch-aarch64/vcpu_setup.h"
#include "hypervisor/kvm/kvm_hypervisor.h"

namespace firn {

Hypervisor& HostKvm() {
  static Hypervisor& hypervisor = *[] {
    absl::StatusOr<std::unique_ptr<kvm::KvmHypervisor>> opened = kvm::KvmHypervisor::Open();
    CHECK_OK(opened);
    return opened->release();
  }();
  return hypervisor;
}

class NativeVm::SpyingVm : public Vm {
 public:
  SpyingVm(std::unique_ptr<Vm> vm, NativeVm& owner) : vm_(std::move(vm)), owner_(owner) {}

  absl::StatusOr<Device*> CreateDevice(uint32_t type, bool test_only) override {
    absl::StatusOr<Device*> device = vm_->CreateDevice(type, test_only);
    if (device.ok() && type == kvm::kDevTypeArmVgicV3) owner_.gic_device_ = *device;
    if (device.ok() && type == kvm::kDevTypeArmVgicIts) owner_.its_device_ = *device;
    return device;
  }

  int CheckExtension(kvm::Capability capability) const override {
    return vm_->CheckExtension(capability);
  }
  absl::Status SetMemorySlot(const MemorySlot& slot) override { return vm_->SetMemorySlot(slot); }
  absl::StatusOr<std::vector<uint64_t>> GetDirtyLog(uint32_t slot) override {
    return vm_->GetDirtyLog(slot);
  }
  absl::StatusOr<kvm::VcpuInit> PreferredTarget() override { return vm_->PreferredTarget(); }
  absl::StatusOr<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t id) override {
    return vm_->CreateVcpu(id);
  }
  absl::Status IrqLine(uint32_t irq, bool level) override { return vm_->IrqLine(irq, level); }
  absl::Status RegisterIrqFd(const IrqFd& irqfd) override { return vm_->RegisterIrqFd(irqfd); }
  absl::Status RegisterIoEventFd(const IoEventFd& ioeventfd) override {
    return vm_->RegisterIoEventFd(ioeventfd);
  }
  absl::Status SetGsiRouting(absl::Span<const GsiRoute> routes) override {
    return vm_->SetGsiRouting(routes);
  }
  absl::Status SetCounterOffset(uint64_t offset) override { return vm_->SetCounterOffset(offset); }
  uint64_t Counter() const override { return vm_->Counter(); }
  uint64_t CounterFrequency() const override { return vm_->CounterFrequency(); }
  void SetSettleCallback(std::function<void()> settle) override {
    vm_->SetSettleCallback(std::move(settle));
  }

 private:
  const std::unique_ptr<Vm> vm_;
  NativeVm& owner_;
};

NativeVm::NativeVm(const NativeVm* memory_of) {
  auto memory = GuestMemory::Create({*GuestRange::Create(kMemory, kMemorySize)});
  CHECK_OK(memory);
  memory_ = *std::move(memory);
  if (memory_of != nullptr) CHECK_OK(memory_->Write(kMemory, memory_of->MemoryContent()));

  auto vm = HostKvm().CreateVm(kDefaultIpaBits);
  CHECK_OK(vm);
  vm_ = std::make_unique<SpyingVm>(*std::move(vm), *this);
  CHECK_OK(MapGuestMemory(*vm_, *memory_));
  InterruptControllerConfig config = {.spis = 64, .vcpu_ids = {}};
  for (uint32_t id = 0; id < kVcpus; ++id) config.vcpu_ids.push_back(id);
  auto gic = Gicv3::Create(*vm_, config);
  CHECK_OK(gic);
  gic_ = *std::move(gic);

  const VcpuFeatures features = ProbeVcpuFeatures(*vm_);
  std::vector<Vcpu*> vcpus;
  for (const uint32_t id : config.vcpu_ids) {
    auto vcpu = vm_->CreateVcpu(id);
    CHECK_OK(vcpu);
    vcpus.push_back(vcpu->get());
    vcpus_.push_back(*std::move(vcpu));
  }
  CHECK_OK(InitVcpus(*vm_, vcpus, features));
  CHECK_OK(gic_->Init());
  if (features.pmu) CHECK_OK(InitPmu(vcpus, *gic_));
  CHECK(its_device_ != nullptr) << "this host's KVM gives no ITS";
}

std::vector<std::byte> NativeVm::MemoryContent() const {
  std::vector<std::byte> content(kMemorySize);
  CHECK_OK(memory_->Read(kMemory, absl::MakeSpan(content)));
  return content;
}

uint64_t NativeVm::RunToStore() {
  for (;;) {
    const absl::StatusOr<Exit> exit = vcpus_[0]->Run();
    CHECK_OK(exit);
    if (std::holds_alternative<KickedExit>(*exit)) continue;
    const auto* mmio = std::get_if<MmioExit>(&*exit);
    CHECK(mmio != nullptr && mmio->is_write) << "the guest did not come to its store";
    uint64_t value = 0;
    memcpy(&value, mmio->data.data(), mmio->data.size());
    CHECK_OK(vcpus_[0]->CompleteExit());
    return value;
  }
}

}  // namespace firn
