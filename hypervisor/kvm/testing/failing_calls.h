// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// System calls of which some fail: the n-th, for a time or for ever.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAILING_CALLS_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAILING_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/kvm/kvm_calls.h"

namespace firn::kvm::testing {

// What fails, and how. Calls that can fail are counted: Open, Ioctl and Map.
struct Failure {
  // Of all calls, or of those of `request` where that is given; 0 is the first.
  uint64_t at = 0;
  std::optional<uint32_t> request = {};
  int error = 0;
  // How often: this call, and so many after it of the same request (or Open, or Map).
  uint64_t times = 1;
  static constexpr uint64_t kForEver = std::numeric_limits<uint64_t>::max();
};

// A call that fails does not reach `calls`. Thread rules: as KvmCalls.
class FailingCalls : public KvmCalls {
 public:
  // Without a failure it counts only. `calls` outlives the object.
  explicit FailingCalls(KvmCalls& calls, std::optional<Failure> failure = {})
      : calls_(calls), failure_(failure) {}

  // The calls that can fail, in order: "open", "mmap", "KVM_CREATE_VM".
  std::vector<std::string> names() const;
  // The name of the call that failed first; empty while none has.
  std::string failed() const;
  // How often a call was made to fail.
  uint64_t failures() const;

  int Open(const char* path) override;
  int Ioctl(int fd, uint32_t request, uintptr_t argument) override;
  void* Map(int fd, size_t size, int& error) override;
  void Unmap(void* address, size_t size) override { calls_.Unmap(address, size); }
  void Close(int fd) override { calls_.Close(fd); }
  uint64_t Counter() override { return calls_.Counter(); }
  uint64_t CounterFrequency() override { return calls_.CounterFrequency(); }
  size_t PageSize() override { return calls_.PageSize(); }

 private:
  // The errno to fail with, or 0.
  int Next(std::string name, std::optional<uint32_t> request);

  KvmCalls& calls_;
  const std::optional<Failure> failure_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  uint64_t matched_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAILING_CALLS_H_
