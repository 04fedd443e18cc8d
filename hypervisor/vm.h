// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One virtual machine, in the shape of KVM's VM file descriptor.
#ifndef FIRN_HYPERVISOR_VM_H_
#define FIRN_HYPERVISOR_VM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/device.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/vcpu.h"

namespace firn {

// KVM_SET_USER_MEMORY_REGION. Address, size and host are 4 KiB aligned; size 0 deletes the slot.
struct MemorySlot {
  uint32_t slot = 0;
  uint32_t flags = 0;  // kvm::MemoryRegionFlags
  GuestAddress address;
  uint64_t size = 0;
  std::byte* host = nullptr;  // stays mapped while the slot exists
};

// KVM_IRQFD: a signal of `fd` raises interrupt `gsi` (an edge; with a resample fd the line is
// held until the guest deactivates it, and then `resample_fd` is signalled).
struct IrqFd {
  int fd = -1;
  uint32_t gsi = 0;
  bool deassign = false;
  std::optional<int> resample_fd = {};
};

// KVM_IOEVENTFD: a guest store of `length` bytes (0: any) to `address`, of `datamatch` where
// that is given, signals `fd` and does not leave the guest.
struct IoEventFd {
  GuestAddress address;
  uint32_t length = 0;  // 0, 1, 2, 4 or 8
  int fd = -1;
  std::optional<uint64_t> datamatch = {};
  bool deassign = false;
};

// One entry of KVM_SET_GSI_ROUTING: `gsi` to pin `pin` of irqchip 0.
struct GsiRoute {
  uint32_t gsi = 0;
  uint32_t pin = 0;
};

// A moment of the guest's time. It is there at once where the virtual counter is past it.
struct CounterAlarm {
  uint64_t counter = 0;  // of the virtual counter, compared unsigned
  int fd = -1;           // an eventfd, signalled once
};

// Thread rules: IrqLine, RegisterIrqFd, RegisterIoEventFd, GetDirtyLog and SetCounterAlarm may be
// called from any thread, also while vCPUs run; the rest is for one thread, before the vCPUs run.
class Vm {
 public:
  virtual ~Vm() = default;

  // KVM_CHECK_EXTENSION on the VM; 0 where absent.
  virtual int CheckExtension(kvm::Capability capability) const = 0;

  // Errors: EINVAL (alignment, flags, size), EEXIST (overlap with another slot).
  virtual absl::Status SetMemorySlot(const MemorySlot& slot) = 0;
  // KVM_GET_DIRTY_LOG: pages that the guest wrote since the last call, one bit per page, and
  // clears them. ENOENT for a slot that is not there or does not log.
  virtual absl::StatusOr<std::vector<uint64_t>> GetDirtyLog(uint32_t slot) = 0;

  virtual absl::StatusOr<kvm::VcpuInit> PreferredTarget() = 0;
  // KVM_CREATE_VCPU. EEXIST for an id taken, EINVAL for one too large, EBUSY once a VGICv5 is
  // initialised.
  virtual absl::StatusOr<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t id) = 0;

  // KVM_CREATE_DEVICE; with `test_only` (KVM_CREATE_DEVICE_TEST) success is a null pointer.
  // The device is owned by the Vm.
  virtual absl::StatusOr<Device*> CreateDevice(uint32_t type, bool test_only = false) = 0;

  // KVM_IRQ_LINE; `irq` as kvm::IrqLineNumber packs it.
  virtual absl::Status IrqLine(uint32_t irq, bool level) = 0;
  virtual absl::Status RegisterIrqFd(const IrqFd& irqfd) = 0;
  virtual absl::Status RegisterIoEventFd(const IoEventFd& ioeventfd) = 0;
  virtual absl::Status SetGsiRouting(absl::Span<const GsiRoute> routes) = 0;

  // KVM_ARM_SET_COUNTER_OFFSET: the guest's counters read the host's minus `offset`.
  virtual absl::Status SetCounterOffset(uint64_t offset) = 0;
  // The guest's virtual counter now, and its frequency in Hz.
  virtual uint64_t Counter() const = 0;
  virtual uint64_t CounterFrequency() const = 0;

  // A backend whose guests execute deterministically calls `settle` on the vCPU thread, with no
  // lock held, after the guest rang an ioeventfd: when it returns, the devices have done what
  // the doorbell asked for, so that the guest sees the result at the same instruction in every
  // run. KVM never calls it. Set before the vCPUs run.
  virtual void SetSettleCallback(std::function<void()> settle) = 0;
  // Such a backend also wakes devices that wait for guest time, at the same instruction in every
  // run: when the counter gets there it signals the alarm's eventfd, and settles. A further call
  // replaces the alarm, and nothing ends it. Errors: EBADF, EINVAL (not an eventfd); none with the
  // eventfd of the alarm before. Where guest time is host time (KVM) a timerfd does this, and the
  // call fails with ENOTTY.
  virtual absl::Status SetCounterAlarm(const std::optional<CounterAlarm>& alarm);
  // And it stops at a number of executed instructions, counted over all vCPUs since the VM was
  // made: every Run then returns InstructionLimitExit, also again until the limit is moved. None:
  // never. ENOTTY elsewhere. While no vCPU is in Run.
  virtual absl::Status SetInstructionLimit(std::optional<uint64_t> limit);
  // How many they are; 0 elsewhere.
  virtual uint64_t instructions() const { return 0; }
};

// Gives every region of `memory` to `vm`, as slots `first_slot` and on, with `flags`.
absl::Status MapGuestMemory(Vm& vm, const GuestMemory& memory, uint32_t flags = 0,
                            uint32_t first_slot = 0);

}  // namespace firn

#endif  // FIRN_HYPERVISOR_VM_H_
