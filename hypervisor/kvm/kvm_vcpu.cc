// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kvm_vcpu.h"

#include <cerrno>
#include <string>
#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/kick_signal.h"
#include "hypervisor/kvm/register_families.h"
#include "hypervisor/kvm/run_exit.h"
#include "hypervisor/register_id.h"

namespace firn::kvm {
namespace {

// Who wants KVM_RUN to come back at once. KVM only asks whether immediate_exit is zero, so that
// each has a bit of its own and CompleteExit cannot lose a kick.
constexpr uint8_t kKicked = 1 << 0;
constexpr uint8_t kCompleting = 1 << 1;

// KVM_RUN gives EAGAIN where a moment later it may work.
constexpr int kAttempts = 1000;

std::string RegisterDetail(uint64_t id) { return absl::StrCat("0x", absl::Hex(id)); }

}  // namespace

absl::StatusOr<std::unique_ptr<Vcpu>> KvmVcpu::Create(KvmFd fd, uint32_t id, size_t run_size) {
  int error = 0;
  void* run = fd.calls().Map(fd.fd(), run_size, error);
  if (run == nullptr) return KvmError(error, absl::StrCat("mmap of kvm_run, vCPU ", id));
  return absl::WrapUnique<Vcpu>(
      new KvmVcpu(std::move(fd), id, static_cast<RunPage*>(run), run_size));
}

KvmVcpu::~KvmVcpu() { fd_.calls().Unmap(run_, run_size_); }

absl::Status KvmVcpu::Init(const VcpuInit& init) {
  VcpuInit argument = init;
  return fd_.Ioctl(kArmVcpuInit, &argument,
                   absl::StrCat("features 0x", absl::Hex(init.features[0])));
}

absl::Status KvmVcpu::Finalize(uint32_t feature) {
  int argument = static_cast<int>(feature);
  return fd_.Ioctl(kArmVcpuFinalize, &argument, absl::StrCat("feature ", feature));
}

absl::StatusOr<std::vector<uint64_t>> KvmVcpu::RegisterList() {
  // With room for none KVM says how many there are, and that this was too little.
  RegList count = {.n = 0};
  absl::Status status = fd_.Ioctl(kGetRegList, &count);
  if (!status.ok() && GetErrno(status) != E2BIG) return status;
  std::vector<uint64_t> list(1 + count.n);
  list[0] = count.n;
  status = fd_.Ioctl(kGetRegList, list.data());
  if (!status.ok()) return status;
  list.erase(list.begin());
  status = CheckRegisterFamilies(list);
  if (!status.ok()) return status;
  return list;
}

absl::Status KvmVcpu::OneReg(Request request, uint64_t id, uintptr_t value, size_t size) const {
  if (size != RegisterSize(id)) {
    return ErrnoStatus(EINVAL, absl::StrCat(RequestName(request), "(", RegisterDetail(id),
                                            "): ", size, " bytes for ", RegisterSize(id)));
  }
  kvm::OneReg argument = {.id = id, .addr = value};
  return fd_.Ioctl(request, &argument, RegisterDetail(id));
}

absl::Status KvmVcpu::GetRegister(uint64_t id, absl::Span<std::byte> value) {
  return OneReg(kGetOneReg, id, reinterpret_cast<uintptr_t>(value.data()), value.size());
}

absl::Status KvmVcpu::SetRegister(uint64_t id, absl::Span<const std::byte> value) {
  return OneReg(kSetOneReg, id, reinterpret_cast<uintptr_t>(value.data()), value.size());
}

absl::StatusOr<MpState> KvmVcpu::GetMpState() {
  MpStateArgument argument = {};
  if (absl::Status status = fd_.Ioctl(kGetMpState, &argument); !status.ok()) return status;
  return static_cast<MpState>(argument.mp_state);
}

absl::Status KvmVcpu::SetMpState(MpState state) {
  MpStateArgument argument = {.mp_state = state};
  return fd_.Ioctl(kSetMpState, &argument, absl::StrCat(static_cast<uint32_t>(state)));
}

absl::StatusOr<VcpuEvents> KvmVcpu::GetEvents() {
  VcpuEvents events = {};
  if (absl::Status status = fd_.Ioctl(kGetVcpuEvents, &events); !status.ok()) return status;
  return events;
}

absl::Status KvmVcpu::SetEvents(const VcpuEvents& events) {
  VcpuEvents argument = events;
  return fd_.Ioctl(kSetVcpuEvents, &argument);
}

absl::Status KvmVcpu::PreFaultMemory(const GuestRange& range) {
  kvm::PreFaultMemory argument = {};
  argument.gpa = range.base().value;
  argument.size = range.size();
  // KVM stops where it likes and says how far it came.
  while (argument.size != 0) {
    const uint64_t before = argument.size;
    absl::Status status =
        fd_.Ioctl(kPreFaultMemory, &argument, absl::StrCat("at ", GuestAddress(argument.gpa)));
    if (!status.ok()) return status;
    if (argument.size >= before) {
      return absl::InternalError("KVM_PRE_FAULT_MEMORY: the kernel makes no progress");
    }
  }
  return absl::OkStatus();
}

int KvmVcpu::RunOnce() {
  exits_.fetch_add(1, std::memory_order_relaxed);
  // Whoever kicks sets immediate_exit first and then looks for the runner: either KVM_RUN sees
  // the one, or the signal finds the other.
  runner_.store(PrepareForKicks());
  const int result = fd_.calls().Ioctl(fd_.fd(), kRun, 0);
  runner_.store(0);
  return result;
}

int KvmVcpu::RunWithRetries() {
  int result = -EAGAIN;
  for (int attempt = 0; attempt < kAttempts && result == -EAGAIN; ++attempt) result = RunOnce();
  return result;
}

absl::StatusOr<Exit> KvmVcpu::Run() {
  const int result = RunWithRetries();
  if (result == -EINTR) {
    // Also any other signal: the caller looks what is wanted, and comes back. KVM_RUN has
    // completed an access that was pending.
    mmio_pending_ = false;
    immediate_exit().fetch_and(static_cast<uint8_t>(~kKicked));
    return KickedExit();
  }
  if (result == -ENOSYS) {
    // The guest's doing, not the host's. Without KVM_CAP_ARM_NISV_TO_USER this is all that KVM
    // says.
    return FailureExit{.reason = kExitArmNisv,
                       .detail =
                           "an access outside memory by an instruction that KVM cannot decode "
                           "(KVM_RUN: ENOSYS)"};
  }
  if (result < 0) return RunError(-result);
  Exit exit = DecodeExit(*run_);
  mmio_pending_ = std::holds_alternative<MmioExit>(exit);
  return exit;
}

absl::Status KvmVcpu::CompleteExit() {
  // Not without need: the first KVM_RUN of a VM, even one that returns at once, ends the time in
  // which a VGICv5 can be restored.
  if (!mmio_pending_) return absl::OkStatus();
  immediate_exit().fetch_or(kCompleting);
  const int result = RunWithRetries();
  immediate_exit().fetch_and(static_cast<uint8_t>(~kCompleting));
  if (result != -EINTR) {
    return result < 0 ? RunError(-result)
                      : absl::InternalError("KVM_RUN with immediate_exit ran the guest");
  }
  mmio_pending_ = false;
  return absl::OkStatus();
}

void KvmVcpu::Kick() {
  immediate_exit().fetch_or(kKicked);
  if (const pid_t runner = runner_.load(); runner != 0) SendKick(runner);
}

absl::Status KvmVcpu::RunError(int error_number) const {
  const absl::Status status = KvmError(error_number, absl::StrCat("KVM_RUN(vCPU ", id_, ")"));
  switch (error_number) {
    case EFAULT:
      return Suggest(status,
                     "the host could not provide guest memory: a file behind it was truncated, or "
                     "its disk or the host's memory is exhausted");
    case ENOEXEC:
      return Suggest(status, "the vCPU was not initialised, or the host's CPUs differ");
    default:
      return status;
  }
}

VcpuStats KvmVcpu::stats() const {
  VcpuStats stats;
  stats.exits = exits_.load(std::memory_order_relaxed);
  return stats;
}

absl::Status KvmVcpu::HasAttr(uint32_t group, uint64_t attr) {
  return AttributeIoctl(fd_, kHasDeviceAttr, "vCPU", group, attr, 0);
}
absl::Status KvmVcpu::GetAttr(uint32_t group, uint64_t attr, uint64_t addr) {
  return AttributeIoctl(fd_, kGetDeviceAttr, "vCPU", group, attr, addr);
}
absl::Status KvmVcpu::SetAttr(uint32_t group, uint64_t attr, uint64_t addr) {
  return AttributeIoctl(fd_, kSetDeviceAttr, "vCPU", group, attr, addr);
}

}  // namespace firn::kvm
