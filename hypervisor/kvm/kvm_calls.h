// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The system calls of the kvm backend, all of them: a test answers them in the kernel's place,
// records them, or makes the n-th one fail.
#ifndef FIRN_HYPERVISOR_KVM_KVM_CALLS_H_
#define FIRN_HYPERVISOR_KVM_KVM_CALLS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace firn::kvm {

// Results are those of the system calls, but an error is -errno.
// Thread rules: every method may be called from any thread.
class KvmCalls {
 public:
  virtual ~KvmCalls() = default;

  // open(2) of a device node, for reading and writing, close-on-exec.
  virtual int Open(const char* path) = 0;
  // ioctl(2). `argument` is a number or a user address, as the request defines.
  virtual int Ioctl(int fd, uint32_t request, uintptr_t argument) = 0;
  // mmap(2), shared, readable and writable, of `size` bytes of `fd`; null and `error` where it
  // fails.
  virtual void* Map(int fd, size_t size, int& error) = 0;
  virtual void Unmap(void* address, size_t size) = 0;
  virtual void Close(int fd) = 0;

  // The host's virtual counter (CNTVCT_EL0) and its frequency in Hz (CNTFRQ_EL0).
  virtual uint64_t Counter() = 0;
  virtual uint64_t CounterFrequency() = 0;
  // The host's page size, the unit of KVM's dirty log.
  virtual size_t PageSize() = 0;
};

// The kernel. One object for the whole process.
KvmCalls& SystemKvmCalls();

}  // namespace firn::kvm

#endif  // FIRN_HYPERVISOR_KVM_KVM_CALLS_H_
