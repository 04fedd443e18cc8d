// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The kernel's side of /dev/kvm on an arm64 host, in this process: it takes and refuses what KVM
// does, with the same errno, and has a Hypervisor (the software one) do the work behind.
// Source: Linux Documentation/virt/kvm/api.rst; virt/kvm/kvm_main.c, arch/arm64/kvm.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAKE_KVM_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAKE_KVM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_calls.h"
#include "hypervisor/kvm/testing/fake_file.h"
#include "hypervisor/kvm/testing/fake_host.h"

namespace firn::kvm::testing {

class FakeVm;

class FakeKvm : public KvmCalls, private FakeFiles {
 public:
  // `machine` makes the VMs and outlives the object.
  FakeKvm(FakeHost host, Hypervisor& machine);
  ~FakeKvm() override;

  int Open(const char* path) override;
  int Ioctl(int fd, uint32_t request, uintptr_t argument) override;
  void* Map(int fd, size_t size, int& error) override;
  void Unmap(void* address, size_t size) override;
  void Close(int fd) override;
  // Of the VM made last; 0 without one.
  uint64_t Counter() override;
  uint64_t CounterFrequency() override;
  size_t PageSize() override { return host_.page_size; }

  // What is open and mapped now, by name ("VM", "vCPU 0"): empty where nothing leaked.
  std::vector<std::string> open_fds() const;
  std::vector<std::string> mappings() const;
  // Calls that no correct program makes, and that a kernel would answer with silence or worse:
  // a second close, an unmap of what is not mapped.
  std::vector<std::string> misuse() const;

 private:
  class System;
  struct Mapping {
    size_t size;
    std::shared_ptr<FakeFile> file;  // a mapping keeps its file alive
  };

  int Install(std::shared_ptr<FakeFile> file) override;
  std::shared_ptr<FakeFile> Find(int fd) const;
  int CreateVm(uintptr_t type);

  const FakeHost host_;
  Hypervisor& machine_;
  mutable absl::Mutex mutex_;
  // Far from the process's own, and none is given twice: an old one is EBADF.
  int next_fd_ ABSL_GUARDED_BY(mutex_) = 1'000'000;
  std::map<int, std::shared_ptr<FakeFile>> files_ ABSL_GUARDED_BY(mutex_);
  std::map<void*, Mapping> mappings_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> misuse_ ABSL_GUARDED_BY(mutex_);
  std::weak_ptr<FakeVm> last_vm_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAKE_KVM_H_
