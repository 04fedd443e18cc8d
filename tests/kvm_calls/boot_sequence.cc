// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tests/kvm_calls/boot_sequence.h"

#include <array>
#include <utility>
#include <variant>

#include "absl/log/check.h"
#include "arch-aarch64/gicv3.h"
#include "arch-aarch64/gicv5.h"
#include "arch-aarch64/vcpu_setup.h"
#include "hypervisor/kvm/kvm_hypervisor.h"

namespace firn::kvm::testing {
namespace {

constexpr GuestAddress kMemory(0x40000000), kEntry(0x40200000), kFdt(0x40300000);
constexpr uint64_t kMemorySize = 4 << 20;
constexpr uint64_t kDevice = 0x0b000100;

template <typename Controller>
absl::Status MakeController(const InterruptControllerConfig& config, BootedGuest& guest) {
  absl::StatusOr<std::unique_ptr<Controller>> controller = Controller::Create(*guest.vm, config);
  if (!controller.ok()) return controller.status();
  guest.interrupt_controller = *std::move(controller);
  return absl::OkStatus();
}

absl::Status MakeVcpus(const BootPlan& plan, BootedGuest& guest) {
  std::vector<Vcpu*> vcpus;
  for (uint32_t id = 0; id < plan.vcpus; ++id) {
    absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = guest.vm->CreateVcpu(id);
    if (!vcpu.ok()) return vcpu.status();
    vcpus.push_back(vcpu->get());
    guest.vcpus.push_back(*std::move(vcpu));
  }
  return InitVcpus(*guest.vm, vcpus);
}

absl::Status MakeVm(KvmCalls& calls, const BootPlan& plan, BootedGuest& guest) {
  absl::StatusOr<std::unique_ptr<KvmHypervisor>> hypervisor = KvmHypervisor::Open(calls);
  if (!hypervisor.ok()) return hypervisor.status();
  guest.hypervisor = *std::move(hypervisor);
  absl::StatusOr<std::unique_ptr<Vm>> vm = guest.hypervisor->CreateVm(40);
  if (!vm.ok()) return vm.status();
  guest.vm = *std::move(vm);
  absl::Status status = MapGuestMemory(*guest.vm, *guest.memory);
  if (!status.ok()) return status;

  InterruptControllerConfig config = {.spis = 40, .vcpu_ids = {}};
  for (uint32_t id = 0; id < plan.vcpus; ++id) config.vcpu_ids.push_back(id);
  status = plan.gic == BootPlan::Gic::kV3 ? MakeController<Gicv3>(config, guest)
                                          : MakeController<Gicv5>(config, guest);
  if (status.ok()) status = MakeVcpus(plan, guest);
  return status.ok() ? guest.interrupt_controller->Init() : status;
}

absl::Status MakeEventFds(BootedGuest& guest) {
  for (int n = 0; n < 4; ++n) {
    absl::StatusOr<EventFd> event = EventFd::Create();
    if (!event.ok()) return event.status();
    guest.events.push_back(*std::move(event));
  }
  Vm& vm = *guest.vm;
  absl::Status status = vm.RegisterIrqFd({.fd = guest.events[0].fd(), .gsi = 1});
  if (status.ok()) {
    status = vm.RegisterIrqFd(
        {.fd = guest.events[1].fd(), .gsi = 2, .resample_fd = guest.events[2].fd()});
  }
  const GuestAddress notify(kDevice + 0x50);
  for (const uint64_t queue : {0, 1}) {
    if (!status.ok()) break;
    status = vm.RegisterIoEventFd(
        {.address = notify, .length = 4, .fd = guest.events[3].fd(), .datamatch = queue});
  }
  return status;
}

}  // namespace

absl::Status Boot(KvmCalls& calls, const BootPlan& plan, BootedGuest& guest) {
  absl::StatusOr<std::unique_ptr<GuestMemory>> memory =
      GuestMemory::Create({*GuestRange::Create(kMemory, kMemorySize)});
  CHECK_OK(memory);
  guest.memory = *std::move(memory);
  // ldr x1, .+8; str w0, [x1]; .quad kDevice
  constexpr std::array<uint32_t, 4> kProgram = {0x58000041, 0xb9000020, kDevice, 0};
  CHECK_OK(guest.memory->Store(kEntry, kProgram));

  absl::Status status = MakeVm(calls, plan, guest);
  if (status.ok()) status = MakeEventFds(guest);
  if (status.ok()) status = SetBootRegisters(*guest.vcpus[0], kEntry, kFdt);
  return status;
}

absl::Status FirstRun(BootedGuest& guest) {
  CHECK_EQ(guest.vcpus.size(), 1u);
  Vcpu& vcpu = *guest.vcpus[0];
  // A signal may come between: nothing happened in the guest, and it runs again.
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const absl::StatusOr<Exit> exit = vcpu.Run();
    if (!exit.ok()) return exit.status();
    if (std::holds_alternative<KickedExit>(*exit)) continue;
    const auto* mmio = std::get_if<MmioExit>(&*exit);
    if (mmio == nullptr || !mmio->is_write || mmio->address != GuestAddress(kDevice)) {
      return absl::InternalError("the guest did not come to its store");
    }
    return vcpu.CompleteExit();
  }
  return absl::DeadlineExceededError("KVM_RUN was interrupted each time (EINTR)");
}

}  // namespace firn::kvm::testing
