// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A vCPU for tests: its Run returns what a test has queued, waits while there is nothing, and
// is kicked as vcpu.h says.
#ifndef FIRN_VMM_TESTING_FAKE_VCPU_H_
#define FIRN_VMM_TESTING_FAKE_VCPU_H_

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/vcpu.h"

namespace firn::testing {

class FakeVcpu : public Vcpu {
 public:
  explicit FakeVcpu(uint32_t id) : id_(id) {}

  // What a later Run returns. Any thread.
  void Queue(absl::StatusOr<Exit> exit) {
    absl::MutexLock lock(&mutex_);
    exits_.push_back(std::move(exit));
  }
  // Waits for the start of the n-th Run (1 is the first).
  void WaitForRun(int n) {
    absl::MutexLock lock(&mutex_);
    auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return runs_ >= n; };
    mutex_.Await(absl::Condition(&reached));
  }
  int runs() const {
    absl::MutexLock lock(&mutex_);
    return runs_;
  }
  int completions() const {
    absl::MutexLock lock(&mutex_);
    return completions_;
  }
  void set_complete_status(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    complete_status_ = std::move(status);
  }

  uint32_t id() const override { return id_; }
  absl::StatusOr<Exit> Run() override {
    absl::MutexLock lock(&mutex_);
    ++runs_;
    auto has_cause = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return kicked_ || !exits_.empty();
    };
    mutex_.Await(absl::Condition(&has_cause));
    if (std::exchange(kicked_, false)) return KickedExit{};
    absl::StatusOr<Exit> exit = std::move(exits_.front());
    exits_.pop_front();
    return exit;
  }
  absl::Status CompleteExit() override {
    absl::MutexLock lock(&mutex_);
    ++completions_;
    return complete_status_;
  }
  void Kick() override {
    absl::MutexLock lock(&mutex_);
    kicked_ = true;
  }

  absl::Status PreFaultMemory(const GuestRange&) override { return absl::OkStatus(); }
  absl::Status Init(const kvm::VcpuInit&) override { return absl::OkStatus(); }
  absl::Status Finalize(uint32_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<uint64_t>> RegisterList() override { return std::vector<uint64_t>(); }
  absl::Status GetRegister(uint64_t, absl::Span<std::byte>) override { return NotFaked(); }
  absl::Status SetRegister(uint64_t, absl::Span<const std::byte>) override {
    return absl::OkStatus();
  }
  absl::StatusOr<kvm::MpState> GetMpState() override { return kvm::kMpStateRunnable; }
  absl::Status SetMpState(kvm::MpState) override { return absl::OkStatus(); }
  absl::StatusOr<kvm::VcpuEvents> GetEvents() override { return kvm::VcpuEvents{}; }
  absl::Status SetEvents(const kvm::VcpuEvents&) override { return absl::OkStatus(); }
  absl::Status HasAttr(uint32_t, uint64_t) override { return absl::OkStatus(); }
  absl::Status GetAttr(uint32_t, uint64_t, uint64_t) override { return NotFaked(); }
  absl::Status SetAttr(uint32_t, uint64_t, uint64_t) override { return absl::OkStatus(); }
  VcpuStats stats() const override { return {}; }

 private:
  static absl::Status NotFaked() { return absl::UnimplementedError("not faked"); }

  const uint32_t id_;
  mutable absl::Mutex mutex_;
  std::deque<absl::StatusOr<Exit>> exits_ ABSL_GUARDED_BY(mutex_);
  bool kicked_ ABSL_GUARDED_BY(mutex_) = false;
  int runs_ ABSL_GUARDED_BY(mutex_) = 0;
  int completions_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status complete_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::testing

#endif  // FIRN_VMM_TESTING_FAKE_VCPU_H_
