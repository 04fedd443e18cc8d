// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// System calls with a transcript: one line for each, with its arguments decoded.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_RECORDING_CALLS_H_
#define FIRN_HYPERVISOR_KVM_TESTING_RECORDING_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/kvm/kvm_calls.h"

namespace firn::kvm::testing {

struct RecordedCall {
  std::string fd;        // "kvm", "vm", "vcpu0", "device16"; empty for open and close
  uint32_t request = 0;  // of an ioctl
  // The struct that the ioctl was given, as its number says how long, before the call.
  std::vector<uint8_t> bytes = {};
  std::string line;  // all of it
};

// A line reads `vm 0xc00caee0 KVM_CREATE_DEVICE type=16 flags=0x1 = 0`. What a call hands in is
// decoded from the bytes of its structs before the call, what it hands out (`->`) after it. Host
// addresses, which differ between runs, are written as `user`, or as what they point at.
// Thread rules: as KvmCalls.
class RecordingCalls : public KvmCalls {
 public:
  // `calls` outlives the object.
  explicit RecordingCalls(KvmCalls& calls) : calls_(calls) {}

  std::vector<RecordedCall> calls() const;
  // The lines, each with its newline.
  std::string Transcript() const;

  int Open(const char* path) override;
  int Ioctl(int fd, uint32_t request, uintptr_t argument) override;
  void* Map(int fd, size_t size, int& error) override;
  void Unmap(void* address, size_t size) override;
  void Close(int fd) override;
  uint64_t Counter() override { return calls_.Counter(); }
  uint64_t CounterFrequency() override { return calls_.CounterFrequency(); }
  size_t PageSize() override { return calls_.PageSize(); }

 private:
  std::string NameOf(int fd) const;
  void SetName(int fd, std::string name);
  void Add(RecordedCall call);

  KvmCalls& calls_;
  mutable absl::Mutex mutex_;
  std::map<int, std::string> names_ ABSL_GUARDED_BY(mutex_);
  std::vector<RecordedCall> recorded_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_RECORDING_CALLS_H_
