// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kvm_vm.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/dirty_bitmap.h"
#include "hypervisor/kvm/kvm_vcpu.h"

namespace firn::kvm {

int KvmVm::CheckExtension(Capability capability) const {
  return fd_.Ioctl(kCheckExtension, capability).value_or(0);
}

absl::Status KvmVm::SetMemorySlot(const MemorySlot& slot) {
  UserMemoryRegion region = {.slot = slot.slot,
                             .flags = slot.flags,
                             .guest_phys_addr = slot.address.value,
                             .memory_size = slot.size,
                             .userspace_addr = reinterpret_cast<uintptr_t>(slot.host)};
  absl::Status status =
      fd_.Ioctl(kSetUserMemoryRegion, &region,
                absl::StrCat("slot ", slot.slot, ", ", slot.size, " bytes at ", slot.address));
  if (!status.ok()) {
    const int slots = CheckExtension(kCapNrMemslots);
    if (GetErrno(status) == EINVAL && slots > 0 && slot.slot >= static_cast<uint32_t>(slots)) {
      return Suggest(status, absl::StrCat("this kernel has ", slots, " memory slots for a VM"));
    }
    return status;
  }
  if (slot.size == 0) {
    slot_sizes_.erase(slot.slot);
  } else {
    slot_sizes_[slot.slot] = slot.size;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint64_t>> KvmVm::GetDirtyLog(uint32_t slot) {
  const std::string detail = absl::StrCat("slot ", slot);
  const auto size = slot_sizes_.find(slot);
  if (size == slot_sizes_.end()) {
    return ErrnoStatus(ENOENT, absl::StrCat("KVM_GET_DIRTY_LOG(", detail, ")"));
  }
  const size_t page_size = fd_.calls().PageSize();
  std::vector<uint64_t> bitmap(BitmapWords(size->second, page_size));
  DirtyLog log = {
      .slot = slot, .padding = 0, .dirty_bitmap = reinterpret_cast<uintptr_t>(bitmap.data())};
  if (absl::Status status = fd_.Ioctl(kGetDirtyLog, &log, detail); !status.ok()) return status;
  return ToGuestPages(std::move(bitmap), size->second, page_size);
}

absl::StatusOr<VcpuInit> KvmVm::PreferredTarget() {
  VcpuInit init = {};
  if (absl::Status status = fd_.Ioctl(kArmPreferredTarget, &init); !status.ok()) return status;
  return init;
}

absl::StatusOr<std::unique_ptr<Vcpu>> KvmVm::CreateVcpu(uint32_t id) {
  const absl::StatusOr<int> vcpu = fd_.Ioctl(kCreateVcpu, id, absl::StrCat("id ", id));
  if (!vcpu.ok()) return vcpu.status();
  return KvmVcpu::Create(KvmFd(fd_.calls(), *vcpu), id, run_size_);
}

absl::StatusOr<Device*> KvmVm::CreateDevice(uint32_t type, bool test_only) {
  const std::string_view name = DeviceTypeName(type);
  kvm::CreateDevice argument = {.type = type, .fd = 0, .flags = test_only ? kCreateDeviceTest : 0};
  absl::Status status = fd_.Ioctl(kCreateDevice, &argument, absl::StrCat(name, ", ", type));
  if (!status.ok()) return status;
  if (test_only) return nullptr;
  devices_.push_back(
      std::make_unique<KvmDevice>(KvmFd(fd_.calls(), static_cast<int>(argument.fd)), name));
  return devices_.back().get();
}

absl::Status KvmVm::IrqLine(uint32_t irq, bool level) {
  IrqLevel argument = {.irq = irq, .level = level ? 1u : 0u};
  return fd_.Ioctl(kIrqLine, &argument, absl::StrCat("0x", absl::Hex(irq)));
}

absl::Status KvmVm::RegisterIrqFd(const IrqFd& irqfd) {
  Irqfd argument = {};
  argument.fd = static_cast<uint32_t>(irqfd.fd);
  argument.gsi = irqfd.gsi;
  if (irqfd.deassign) argument.flags |= kIrqFdFlagDeassign;
  if (irqfd.resample_fd) {
    argument.flags |= kIrqFdFlagResample;
    argument.resamplefd = static_cast<uint32_t>(*irqfd.resample_fd);
  }
  return fd_.Ioctl(kIrqfd, &argument, absl::StrCat("GSI ", irqfd.gsi));
}

absl::Status KvmVm::RegisterIoEventFd(const IoEventFd& ioeventfd) {
  Ioeventfd argument = {};
  argument.addr = ioeventfd.address.value;
  argument.len = ioeventfd.length;
  argument.fd = ioeventfd.fd;
  if (ioeventfd.deassign) argument.flags |= kIoEventFdFlagDeassign;
  if (ioeventfd.datamatch) {
    argument.flags |= kIoEventFdFlagDatamatch;
    argument.datamatch = *ioeventfd.datamatch;
  }
  return fd_.Ioctl(kIoeventfd, &argument, absl::StrCat("at ", ioeventfd.address));
}

absl::Status KvmVm::SetGsiRouting(absl::Span<const GsiRoute> routes) {
  std::vector<std::byte> argument(sizeof(IrqRouting) + routes.size() * sizeof(IrqRoutingEntry));
  const IrqRouting header = {.nr = static_cast<uint32_t>(routes.size()), .flags = 0};
  std::memcpy(argument.data(), &header, sizeof(header));
  std::byte* next = argument.data() + sizeof(header);
  for (const GsiRoute& route : routes) {
    IrqRoutingEntry entry = {};
    entry.gsi = route.gsi;
    entry.type = kIrqRoutingIrqchip;
    entry.pin = route.pin;
    std::memcpy(next, &entry, sizeof(entry));
    next += sizeof(entry);
  }
  return fd_.Ioctl(kSetGsiRouting, argument.data(), absl::StrCat(routes.size(), " routes"));
}

absl::Status KvmVm::SetCounterOffset(uint64_t offset) {
  CounterOffset argument = {.counter_offset = offset, .reserved = 0};
  if (absl::Status status = fd_.Ioctl(kArmSetCounterOffset, &argument); !status.ok()) {
    return status;
  }
  counter_offset_ = offset;
  return absl::OkStatus();
}

}  // namespace firn::kvm
