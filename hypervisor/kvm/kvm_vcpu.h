// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The seam's Vcpu over a file descriptor of KVM_CREATE_VCPU and its kvm_run page.
#ifndef FIRN_HYPERVISOR_KVM_KVM_VCPU_H_
#define FIRN_HYPERVISOR_KVM_KVM_VCPU_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "hypervisor/kvm/kvm_fd.h"
#include "hypervisor/vcpu.h"

namespace firn::kvm {

class KvmVcpu final : public Vcpu {
 public:
  // Maps the kvm_run page of `run_size` bytes. Errors: those of mmap, with errno.
  static absl::StatusOr<std::unique_ptr<Vcpu>> Create(KvmFd fd, uint32_t id, size_t run_size);
  ~KvmVcpu() override;

  uint32_t id() const override { return id_; }
  absl::Status Init(const VcpuInit& init) override;
  absl::Status Finalize(uint32_t feature) override;
  // FailedPrecondition for a list with a register whose family firn does not know: its state
  // could not be carried over into another VM.
  absl::StatusOr<std::vector<uint64_t>> RegisterList() override;
  absl::Status GetRegister(uint64_t id, absl::Span<std::byte> value) override;
  absl::Status SetRegister(uint64_t id, absl::Span<const std::byte> value) override;
  absl::StatusOr<MpState> GetMpState() override;
  absl::Status SetMpState(MpState state) override;
  absl::StatusOr<VcpuEvents> GetEvents() override;
  absl::Status SetEvents(const VcpuEvents& events) override;
  absl::Status PreFaultMemory(const GuestRange& range) override;
  absl::StatusOr<Exit> Run() override;
  absl::Status CompleteExit() override;
  void Kick() override;
  VcpuStats stats() const override;

  absl::Status HasAttr(uint32_t group, uint64_t attr) override;
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override;
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override;

 private:
  KvmVcpu(KvmFd fd, uint32_t id, RunPage* run, size_t run_size)
      : fd_(std::move(fd)), id_(id), run_(run), run_size_(run_size) {}

  std::atomic_ref<uint8_t> immediate_exit() const {
    return std::atomic_ref<uint8_t>(run_->immediate_exit);
  }
  // KVM_RUN; 0 or -errno.
  int RunOnce();
  // The same, again where it may work a moment later.
  int RunWithRetries();
  absl::Status OneReg(Request request, uint64_t id, uintptr_t value, size_t size) const;
  absl::Status RunError(int error_number) const;

  const KvmFd fd_;
  const uint32_t id_;
  RunPage* const run_;
  const size_t run_size_;
  bool mmio_pending_ = false;      // the running thread's
  std::atomic<pid_t> runner_ = 0;  // the thread that is in KVM_RUN, or about to be
  std::atomic<uint64_t> exits_ = 0;
};

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KVM_VCPU_H_
