// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/fake_vm.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_vcpu.h"

namespace firn::kvm::testing {
namespace {

constexpr uint32_t kMaxRoutes = 4096;

// KVM_{HAS,GET,SET}_DEVICE_ATTR of a device that is known by three calls.
template <typename Has, typename Get, typename Set>
int AttributeIoctl(uint32_t request, uintptr_t argument, Has has, Get get, Set set) {
  if (request != kHasDeviceAttr && request != kGetDeviceAttr && request != kSetDeviceAttr) {
    return -ENOTTY;
  }
  DeviceAttr attr = {};
  if (const int error = FromUser(argument, attr); error != 0) return error;
  if (attr.flags != 0) return -EINVAL;
  if (request == kHasDeviceAttr) return has(attr);
  return request == kGetDeviceAttr ? get(attr) : set(attr);
}

}  // namespace

int CapabilityOf(const FakeHost& host, uintptr_t capability) {
  const auto found = host.capabilities.find(static_cast<uint32_t>(capability));
  return found == host.capabilities.end() ? 0 : found->second;
}

size_t RunPageSize(const FakeHost& host) { return 2 * host.page_size; }

// A device of the seam: the VGICv5.
class FakeVm::SeamDevice : public FakeFile {
 public:
  SeamDevice(std::shared_ptr<FakeVm> vm, Device* device) : vm_(std::move(vm)), device_(device) {}

  std::string name() const override { return "ARM_VGIC_V5"; }
  int Ioctl(uint32_t request, uintptr_t argument) override {
    return AttributeIoctl(
        request, argument,
        [this](const DeviceAttr& attr) {
          return ResultOf(device_->HasAttr(attr.group, attr.attr));
        },
        [this](const DeviceAttr& attr) {
          return ResultOf(device_->GetAttr(attr.group, attr.attr, attr.addr));
        },
        [this](const DeviceAttr& attr) {
          const int result = ResultOf(device_->SetAttr(attr.group, attr.attr, attr.addr));
          if (result == 0 && attr.group == kVgicGrpCtrl && attr.attr == kVgicCtrlInit) {
            absl::MutexLock lock(&vm_->mutex_);
            vm_->v5_initialised_ = true;
          }
          return result;
        });
  }

 private:
  const std::shared_ptr<FakeVm> vm_;
  Device* const device_;
};

class FakeVm::VgicV3Device : public FakeFile {
 public:
  explicit VgicV3Device(std::shared_ptr<FakeVm> vm) : vm_(std::move(vm)) {}

  std::string name() const override { return "ARM_VGIC_V3"; }
  int Ioctl(uint32_t request, uintptr_t argument) override {
    absl::MutexLock lock(&vm_->mutex_);
    VgicV3Model& model = vm_->v3_;
    const int vcpus = vm_->vcpus_;
    return AttributeIoctl(
        request, argument,
        [&](const DeviceAttr& attr) { return model.HasAttr(attr.group, attr.attr); },
        [&](const DeviceAttr& attr) { return model.GetAttr(attr.group, attr.attr, attr.addr); },
        [&](const DeviceAttr& attr) {
          return model.SetAttr(attr.group, attr.attr, attr.addr, vcpus);
        });
  }

 private:
  const std::shared_ptr<FakeVm> vm_;
};

class FakeVm::ItsDevice : public FakeFile {
 public:
  explicit ItsDevice(std::shared_ptr<FakeVm> vm) : vm_(std::move(vm)) {}

  std::string name() const override { return "ARM_VGIC_ITS"; }
  int Ioctl(uint32_t request, uintptr_t argument) override {
    absl::MutexLock lock(&vm_->mutex_);
    VgicV3Model& model = vm_->v3_;
    return AttributeIoctl(
        request, argument,
        [&](const DeviceAttr& attr) { return model.HasItsAttr(attr.group, attr.attr); },
        [&](const DeviceAttr& attr) { return model.GetItsAttr(attr.group, attr.attr, attr.addr); },
        [&](const DeviceAttr& attr) { return model.SetItsAttr(attr.group, attr.attr, attr.addr); });
  }

 private:
  const std::shared_ptr<FakeVm> vm_;
};

FakeVm::FakeVm(const FakeHost& host, FakeFiles& files, std::unique_ptr<Vm> vm, int ipa_bits)
    : host_(host), files_(files), vm_(std::move(vm)), v3_(ipa_bits) {}

int FakeVm::Ioctl(uint32_t request, uintptr_t argument) {
  switch (request) {
    case kCheckExtension:
      return CapabilityOf(host_, argument);
    case kCreateVcpu:
      return CreateVcpu(argument);
    case kSetUserMemoryRegion:
      return SetUserMemoryRegion(argument);
    case kGetDirtyLog:
      return GetDirtyLog(argument);
    case kIrqLine:
      return IrqLine(argument);
    case kSetGsiRouting:
      return SetGsiRouting(argument);
    case kIrqfd:
      return RegisterIrqfd(argument);
    case kIoeventfd:
      return RegisterIoeventfd(argument);
    case kArmPreferredTarget:
      return PreferredTarget(argument);
    case kArmSetCounterOffset:
      return SetCounterOffset(argument);
    case kCreateDevice:
      return CreateDevice(argument);
    default:
      return host_.is_x86 ? -ENOTTY : -EINVAL;
  }
}

bool FakeVm::AgreesOnFeatures(uint32_t features) {
  absl::MutexLock lock(&mutex_);
  if (!features_) features_ = features;
  return *features_ == features;
}

int FakeVm::PrepareRun() {
  has_run_ = true;
  absl::MutexLock lock(&mutex_);
  return gic_ == Gic::kV3 ? v3_.PrepareRun(vcpus_) : 0;
}

FakeVm::Gic FakeVm::gic() const {
  absl::MutexLock lock(&mutex_);
  return gic_;
}

bool FakeVm::gic_initialised() const {
  absl::MutexLock lock(&mutex_);
  return gic_ == Gic::kV3 ? v3_.initialised() : v5_initialised_;
}

int FakeVm::CreateVcpu(uintptr_t id) {
  if (id >= static_cast<uintptr_t>(CapabilityOf(host_, kCapMaxVcpuId))) return -EINVAL;
  {
    absl::MutexLock lock(&mutex_);
    if (vcpus_ >= CapabilityOf(host_, kCapMaxVcpus)) return -EINVAL;
    if (gic_ == Gic::kV3 && v3_.initialised()) return -EBUSY;
  }
  absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_->CreateVcpu(static_cast<uint32_t>(id));
  if (!vcpu.ok()) return ResultOf(vcpu.status());
  const int fd = files_.Install(
      std::make_shared<FakeVcpu>(shared_from_this(), *std::move(vcpu), RunPageSize(host_)));
  absl::MutexLock lock(&mutex_);
  ++vcpus_;
  v3_.AddVcpu(static_cast<uint32_t>(id));
  return fd;
}

int FakeVm::SetUserMemoryRegion(uintptr_t argument) {
  UserMemoryRegion region = {};
  if (const int error = FromUser(argument, region); error != 0) return error;
  const uint64_t unaligned =
      (region.guest_phys_addr | region.memory_size | region.userspace_addr) & (host_.page_size - 1);
  if (unaligned != 0) return -EINVAL;
  if (region.slot >= static_cast<uint32_t>(CapabilityOf(host_, kCapNrMemslots))) return -EINVAL;
  return ResultOf(
      vm_->SetMemorySlot({.slot = region.slot,
                          .flags = region.flags,
                          .address = GuestAddress(region.guest_phys_addr),
                          .size = region.memory_size,
                          .host = reinterpret_cast<std::byte*>(region.userspace_addr)}));
}

// From the seam's pages of 4 KiB to the host's.
int FakeVm::GetDirtyLog(uintptr_t argument) {
  DirtyLog log = {};
  if (const int error = FromUser(argument, log); error != 0) return error;
  const absl::StatusOr<std::vector<uint64_t>> dirty = vm_->GetDirtyLog(log.slot);
  if (!dirty.ok()) return ResultOf(dirty.status());
  const uint64_t ratio = host_.page_size / kGuestPageSize;
  std::vector<uint64_t> bitmap((dirty->size() + ratio - 1) / ratio);
  for (uint64_t page = 0; page < dirty->size() * 64; ++page) {
    if (((*dirty)[page / 64] >> page % 64 & 1) == 0) continue;
    bitmap[page / ratio / 64] |= uint64_t{1} << page / ratio % 64;
  }
  return ResultOf(
      software::CopyToUser(log.dirty_bitmap,
                           absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bitmap.data()),
                                               bitmap.size() * sizeof(uint64_t)),
                           "KVM_GET_DIRTY_LOG"));
}

int FakeVm::IrqLine(uintptr_t argument) {
  IrqLevel line = {};
  if (const int error = FromUser(argument, line); error != 0) return error;
  {
    absl::MutexLock lock(&mutex_);
    if (gic_ == Gic::kV3) return v3_.IrqLine(line.irq, vcpus_);
  }
  return ResultOf(vm_->IrqLine(line.irq, line.level != 0));
}

int FakeVm::SetGsiRouting(uintptr_t argument) {
  IrqRouting header = {};
  if (const int error = FromUser(argument, header); error != 0) return error;
  if (header.nr > kMaxRoutes || header.flags != 0) return -EINVAL;
  std::vector<GsiRoute> routes;
  for (uint32_t n = 0; n < header.nr; ++n) {
    IrqRoutingEntry entry = {};
    const int error = FromUser(argument + sizeof(header) + n * sizeof(entry), entry);
    if (error != 0) return error;
    if (entry.type != kIrqRoutingIrqchip || entry.flags != 0 || entry.irqchip != 0 ||
        entry.gsi >= kMaxRoutes) {
      return -EINVAL;
    }
    routes.push_back({.gsi = entry.gsi, .pin = entry.pin});
  }
  return ResultOf(vm_->SetGsiRouting(routes));
}

int FakeVm::RegisterIrqfd(uintptr_t argument) {
  Irqfd irqfd = {};
  if (const int error = FromUser(argument, irqfd); error != 0) return error;
  if ((irqfd.flags & ~(kIrqFdFlagDeassign | kIrqFdFlagResample)) != 0) return -EINVAL;
  IrqFd seam = {.fd = static_cast<int>(irqfd.fd),
                .gsi = irqfd.gsi,
                .deassign = (irqfd.flags & kIrqFdFlagDeassign) != 0};
  if ((irqfd.flags & kIrqFdFlagResample) != 0) {
    if (CapabilityOf(host_, kCapIrqfdResample) == 0) return -EINVAL;
    seam.resample_fd = static_cast<int>(irqfd.resamplefd);
  }
  // kvm_arch_intc_initialized.
  if (!seam.deassign && !gic_initialised()) return -EAGAIN;
  // Nothing is delivered, but the descriptor is looked at.
  if (gic() == Gic::kV3) return fcntl(seam.fd, F_GETFD) < 0 ? -EBADF : 0;
  return ResultOf(vm_->RegisterIrqFd(seam));
}

int FakeVm::RegisterIoeventfd(uintptr_t argument) {
  Ioeventfd ioeventfd = {};
  if (const int error = FromUser(argument, ioeventfd); error != 0) return error;
  if ((ioeventfd.flags & ~(kIoEventFdFlagDatamatch | kIoEventFdFlagDeassign)) != 0) return -EINVAL;
  IoEventFd seam = {.address = GuestAddress(ioeventfd.addr),
                    .length = ioeventfd.len,
                    .fd = ioeventfd.fd,
                    .deassign = (ioeventfd.flags & kIoEventFdFlagDeassign) != 0};
  if ((ioeventfd.flags & kIoEventFdFlagDatamatch) != 0) seam.datamatch = ioeventfd.datamatch;
  return ResultOf(vm_->RegisterIoEventFd(seam));
}

int FakeVm::PreferredTarget(uintptr_t argument) {
  if (host_.is_x86) return -ENOTTY;
  const absl::StatusOr<VcpuInit> target = vm_->PreferredTarget();
  return target.ok() ? ToUser(argument, *target) : ResultOf(target.status());
}

int FakeVm::SetCounterOffset(uintptr_t argument) {
  if (CapabilityOf(host_, kCapCounterOffset) == 0) return -EINVAL;
  CounterOffset offset = {};
  if (const int error = FromUser(argument, offset); error != 0) return error;
  if (offset.reserved != 0) return -EINVAL;
  const int result = ResultOf(vm_->SetCounterOffset(offset.counter_offset));
  if (result == 0) counter_offset_ = offset.counter_offset;
  return result;
}

int FakeVm::CreateDevice(uintptr_t argument) {
  struct CreateDevice device = {};
  if (const int error = FromUser(argument, device); error != 0) return error;
  const bool is_v5 = host_.vgic_v5 && device.type == *host_.vgic_v5;
  const bool is_v3 = host_.has_vgic_v3 && device.type == kDevTypeArmVgicV3;
  const bool is_its = host_.has_its && device.type == kDevTypeArmVgicIts;
  if (!is_v5 && !is_v3 && !is_its) return -ENODEV;
  if ((device.flags & kCreateDeviceTest) != 0) return 0;

  std::shared_ptr<FakeFile> file;
  if (is_v5) {
    if (gic() != Gic::kNone) return -EEXIST;
    const absl::StatusOr<Device*> v5 = vm_->CreateDevice(kDevTypeArmVgicV5);
    if (!v5.ok()) return ResultOf(v5.status());
    absl::MutexLock lock(&mutex_);
    gic_ = Gic::kV5;
    file = std::make_shared<SeamDevice>(shared_from_this(), *v5);
  } else if (is_v3) {
    absl::MutexLock lock(&mutex_);
    if (gic_ != Gic::kNone) return -EEXIST;
    if (has_run_) return -EBUSY;
    gic_ = Gic::kV3;
    file = std::make_shared<VgicV3Device>(shared_from_this());
  } else {
    absl::MutexLock lock(&mutex_);
    v3_.AddIts();
    file = std::make_shared<ItsDevice>(shared_from_this());
  }
  const int fd = files_.Install(std::move(file));
  if (fd < 0) return fd;
  device.fd = static_cast<uint32_t>(fd);
  return ToUser(argument, device);
}

}  // namespace firn::kvm::testing
