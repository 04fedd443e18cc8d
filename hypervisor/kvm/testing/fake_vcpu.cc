// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/fake_vcpu.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>
#include <vector>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/register_id.h"

namespace firn::kvm::testing {
namespace {

// Optional features that the seam's Vcpu does not know, with the capability of each.
constexpr std::pair<VcpuFeature, uint32_t> kOptionalFeatures[] = {
    {kArmVcpuPmuV3, kCapArmPmuV3},
    {kArmVcpuSve, 170},             // KVM_CAP_ARM_SVE
    {kArmVcpuPtrauthAddress, 171},  // KVM_CAP_ARM_PTRAUTH_ADDRESS
    {kArmVcpuPtrauthGeneric, 172},  // KVM_CAP_ARM_PTRAUTH_GENERIC
};
constexpr uint64_t kSveVls = 0x606000000015ffff;  // KVM_REG_ARM64_SVE_VLS
constexpr uint32_t kGicv5PmuIrq = 0x20000017;
constexpr uint32_t kCapPreFault = 236;  // KVM_CAP_PRE_FAULT_MEMORY

}  // namespace

FakeVcpu::FakeVcpu(std::shared_ptr<FakeVm> vm, std::unique_ptr<Vcpu> vcpu, size_t run_size)
    : vm_(std::move(vm)),
      vcpu_(std::move(vcpu)),
      run_size_(run_size),
      memory_(memfd_create("kvm_run", MFD_CLOEXEC)) {
  CHECK(memory_.is_valid());
  CHECK_EQ(ftruncate(memory_.get(), static_cast<off_t>(run_size)), 0);
  void* run = mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
  CHECK_NE(run, MAP_FAILED);
  run_ = static_cast<RunPage*>(run);
}

FakeVcpu::~FakeVcpu() { munmap(run_, run_size_); }

std::string FakeVcpu::name() const { return absl::StrCat("vCPU ", vcpu_->id()); }

int FakeVcpu::Ioctl(uint32_t request, uintptr_t argument) {
  absl::MutexLock lock(&mutex_);
  switch (request) {
    case kRun:
      return Run(argument);
    case kArmVcpuInit:
      return Init(argument);
    case kArmVcpuFinalize:
      return Finalize(argument);
    case kGetRegList:
      return GetRegList(argument);
    case kGetOneReg:
    case kSetOneReg:
      return OneRegister(request, argument);
    case kGetMpState:
    case kSetMpState:
      return MpState(request, argument);
    case kGetVcpuEvents:
    case kSetVcpuEvents:
      return Events(request, argument);
    case kPreFaultMemory:
      return PreFault(argument);
    case kHasDeviceAttr:
    case kGetDeviceAttr:
    case kSetDeviceAttr:
      return Attribute(request, argument);
    default:
      return -EINVAL;
  }
}

int FakeVcpu::Init(uintptr_t argument) {
  VcpuInit init = {};
  if (const int error = FromUser(argument, init); error != 0) return error;
  uint32_t ours = 0;
  for (const auto& [feature, capability] : kOptionalFeatures) {
    const uint32_t bit = 1u << feature;
    if ((init.features[0] & bit) == 0) continue;
    if (CapabilityOf(vm_->host(), capability) == 0) return -EINVAL;
    ours |= bit;
  }
  const uint32_t ptrauth = 1u << kArmVcpuPtrauthAddress | 1u << kArmVcpuPtrauthGeneric;
  if ((ours & ptrauth) != 0 && (ours & ptrauth) != ptrauth) return -EINVAL;
  init.features[0] &= ~ours;
  if (const int error = ResultOf(vcpu_->Init(init)); error != 0) return error;
  if (!vm_->AgreesOnFeatures(ours)) return -EINVAL;
  features_ = ours;
  initialised_ = true;
  return 0;
}

int FakeVcpu::Finalize(uintptr_t argument) {
  int feature = 0;
  if (const int error = FromUser(argument, feature); error != 0) return error;
  if (!initialised_) return -ENOEXEC;
  if (feature != kArmVcpuSve || !Has(kArmVcpuSve)) return -EINVAL;
  if (sve_finalized_) return -EPERM;
  sve_finalized_ = true;
  return 0;
}

int FakeVcpu::GetRegList(uintptr_t argument) {
  if (!initialised_) return -ENOEXEC;
  if (Has(kArmVcpuSve) && !sve_finalized_) return -EPERM;
  RegList list = {};
  if (const int error = FromUser(argument, list); error != 0) return error;
  absl::StatusOr<std::vector<uint64_t>> ids = vcpu_->RegisterList();
  if (!ids.ok()) return ResultOf(ids.status());
  if (Has(kArmVcpuSve)) ids->push_back(kSveVls);
  const uint64_t room = list.n;
  list.n = ids->size();
  if (const int error = ToUser(argument, list); error != 0) return error;
  if (room < list.n) return -E2BIG;
  return ResultOf(software::CopyToUser(
      argument + sizeof(list),
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(ids->data()), ids->size() * 8),
      "KVM_GET_REG_LIST"));
}

int FakeVcpu::OneRegister(uint32_t request, uintptr_t argument) {
  OneReg reg = {};
  if (!initialised_) return -ENOEXEC;
  if (const int error = FromUser(argument, reg); error != 0) return error;
  constexpr uint64_t kArchitecture = uint64_t{0xff} << 56;
  if ((reg.id & kArchitecture) != kRegArm64) return -EINVAL;
  if (reg.id == kSveVls) return SveVectorLengths(request, reg.addr);
  std::vector<std::byte> value(RegisterSize(reg.id));
  if (request == kSetOneReg) {
    const int error =
        ResultOf(software::CopyFromUser(absl::MakeSpan(value), reg.addr, "KVM_SET_ONE_REG"));
    return error != 0 ? error : ResultOf(vcpu_->SetRegister(reg.id, value));
  }
  const int error = ResultOf(vcpu_->GetRegister(reg.id, absl::MakeSpan(value)));
  return error != 0 ? error : ResultOf(software::CopyToUser(reg.addr, value, "KVM_GET_ONE_REG"));
}

int FakeVcpu::SveVectorLengths(uint32_t request, uintptr_t user) {
  if (!Has(kArmVcpuSve)) return -ENOENT;
  if (request == kGetOneReg) return ToUser(user, sve_lengths_);
  if (sve_finalized_) return -EPERM;
  std::array<uint64_t, 8> lengths = {};
  if (const int error = FromUser(user, lengths); error != 0) return error;
  // This host's vectors are 128 bits wide, and a vCPU has at least these.
  if (lengths != std::array<uint64_t, 8>{0x1}) return -EINVAL;
  sve_lengths_ = lengths;
  return 0;
}

int FakeVcpu::MpState(uint32_t request, uintptr_t argument) {
  MpStateArgument state = {};
  if (request == kSetMpState) {
    if (const int error = FromUser(argument, state); error != 0) return error;
    return ResultOf(vcpu_->SetMpState(static_cast<kvm::MpState>(state.mp_state)));
  }
  const absl::StatusOr<kvm::MpState> now = vcpu_->GetMpState();
  if (!now.ok()) return ResultOf(now.status());
  state.mp_state = *now;
  return ToUser(argument, state);
}

int FakeVcpu::Events(uint32_t request, uintptr_t argument) {
  VcpuEvents events = {};
  if (request == kSetVcpuEvents) {
    if (const int error = FromUser(argument, events); error != 0) return error;
    return ResultOf(vcpu_->SetEvents(events));
  }
  const absl::StatusOr<VcpuEvents> now = vcpu_->GetEvents();
  return now.ok() ? ToUser(argument, *now) : ResultOf(now.status());
}

// A page at a time, so that callers see that it may stop early.
int FakeVcpu::PreFault(uintptr_t argument) {
  if (CapabilityOf(vm_->host(), kCapPreFault) == 0) return -EINVAL;
  PreFaultMemory range = {};
  if (const int error = FromUser(argument, range); error != 0) return error;
  const uint64_t page = vm_->host().page_size;
  if (range.flags != 0 || range.gpa % page != 0 || range.size % page != 0 || range.size == 0) {
    return -EINVAL;
  }
  if (std::any_of(std::begin(range.padding), std::end(range.padding),
                  [](uint64_t word) { return word != 0; })) {
    return -EINVAL;
  }
  range.gpa += page;
  range.size -= page;
  return ToUser(argument, range);
}

int FakeVcpu::Attribute(uint32_t request, uintptr_t argument) {
  if (!initialised_) return -ENOEXEC;
  DeviceAttr attr = {};
  if (const int error = FromUser(argument, attr); error != 0) return error;
  if (attr.flags != 0) return -EINVAL;
  switch (attr.group) {
    case kVcpuTimerCtrl:
      return TimerAttribute(request, attr);
    case kVcpuPmuV3Ctrl:
      return PmuAttribute(request, attr);
    default:
      return -ENXIO;
  }
}

int FakeVcpu::TimerAttribute(uint32_t request, const DeviceAttr& attr) {
  if (request == kHasDeviceAttr) return ResultOf(vcpu_->HasAttr(attr.group, attr.attr));
  if (request == kGetDeviceAttr) return ResultOf(vcpu_->GetAttr(attr.group, attr.attr, attr.addr));
  return ResultOf(vcpu_->SetAttr(attr.group, attr.attr, attr.addr));
}

int FakeVcpu::PmuAttribute(uint32_t request, const DeviceAttr& attr) {
  const bool is_known = attr.attr == kVcpuPmuV3Irq || attr.attr == kVcpuPmuV3Init;
  if (request == kHasDeviceAttr) return is_known && Has(kArmVcpuPmuV3) ? 0 : -ENXIO;
  if (!is_known) return -ENXIO;
  if (!Has(kArmVcpuPmuV3)) return -ENODEV;
  const FakeVm::Gic gic = vm_->gic();
  if (attr.attr == kVcpuPmuV3Irq) {
    if (request == kGetDeviceAttr) return pmu_irq_ ? ToUser(attr.addr, *pmu_irq_) : -ENXIO;
    uint32_t irq = 0;
    if (gic == FakeVm::Gic::kNone) return -EINVAL;
    if (const int error = FromUser(attr.addr, irq); error != 0) return error;
    const bool is_valid = gic == FakeVm::Gic::kV5 ? irq == kGicv5PmuIrq : irq >= 16 && irq < 1024;
    if (!is_valid) return -EINVAL;
    if (pmu_irq_) return -EBUSY;
    pmu_irq_ = irq;
    return 0;
  }
  if (request == kGetDeviceAttr) return -ENXIO;
  if (pmu_initialised_) return -EBUSY;
  if (gic != FakeVm::Gic::kNone) {
    if (!vm_->gic_initialised()) return -ENODEV;
    if (gic == FakeVm::Gic::kV3 && !pmu_irq_) return -ENXIO;
  }
  pmu_initialised_ = true;
  return 0;
}

int FakeVcpu::CheckFeatures() {
  if (!initialised_) return -ENOEXEC;
  if (Has(kArmVcpuSve) && !sve_finalized_) return -EPERM;
  if (Has(kArmVcpuPmuV3) && !pmu_initialised_) return -EINVAL;
  return 0;
}

int FakeVcpu::Run(uintptr_t argument) {
  if (argument != 0) return -EINVAL;
  const HoldSignals signals;
  if (const int error = CheckFeatures(); error != 0) return error;
  if (const int error = vm_->PrepareRun(); error != 0) return error;
  if (!load_.empty()) {
    memcpy(load_.data(), run_->mmio.data, load_.size());
    load_ = {};
  }
  if (std::atomic_ref<uint8_t>(run_->immediate_exit).load() != 0) {
    // A kicked Run completes the access and executes nothing.
    vcpu_->Kick();
    return FillRunPage(vcpu_->Run());
  }
  if (runner_ == nullptr) runner_ = std::make_unique<InterruptibleRun>(vcpu_.get());
  return FillRunPage(runner_->Run(signals));
}

int FakeVcpu::FillRunPage(const absl::StatusOr<Exit>& exit) {
  if (!exit.ok()) return ResultOf(exit.status());
  if (std::holds_alternative<KickedExit>(*exit)) {
    run_->exit_reason = kExitIntr;
    return -EINTR;
  }
  if (const auto* mmio = std::get_if<MmioExit>(&*exit)) {
    run_->exit_reason = kExitMmio;
    run_->mmio.phys_addr = mmio->address.value;
    run_->mmio.len = static_cast<uint32_t>(mmio->data.size());
    run_->mmio.is_write = mmio->is_write ? 1 : 0;
    memset(run_->mmio.data, 0, sizeof(run_->mmio.data));
    if (mmio->is_write) {
      memcpy(run_->mmio.data, mmio->data.data(), mmio->data.size());
    } else {
      load_ = mmio->data;
    }
    return 0;
  }
  if (const auto* event = std::get_if<SystemEventExit>(&*exit)) {
    run_->exit_reason = kExitSystemEvent;
    run_->system_event.type = event->type;
    run_->system_event.ndata = 0;
    return 0;
  }
  if (const auto* failure = std::get_if<FailureExit>(&*exit)) {
    // Without KVM_CAP_ARM_NISV_TO_USER, which firn does not ask for.
    if (failure->reason == kExitArmNisv) return -ENOSYS;
    run_->exit_reason = failure->reason;
    run_->internal.suberror = 1;
    run_->internal.ndata = 0;
    return 0;
  }
  run_->exit_reason = kExitUnknown;
  run_->hw.hardware_exit_reason = 0;
  return 0;
}

}  // namespace firn::kvm::testing
