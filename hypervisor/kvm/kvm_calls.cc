// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kvm_calls.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace firn::kvm {
namespace {

int ResultOf(int result) { return result < 0 ? -errno : result; }

class System final : public KvmCalls {
 public:
  int Open(const char* path) override { return ResultOf(open(path, O_RDWR | O_CLOEXEC)); }

  int Ioctl(int fd, uint32_t request, uintptr_t argument) override {
    return ResultOf(ioctl(fd, request, argument));
  }

  void* Map(int fd, size_t size, int& error) override {
    void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address != MAP_FAILED) return address;
    error = errno;
    return nullptr;
  }

  void Unmap(void* address, size_t size) override { munmap(address, size); }
  void Close(int fd) override { close(fd); }

#ifdef __aarch64__
  uint64_t Counter() override {
    uint64_t value = 0;
    asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
  }
  uint64_t CounterFrequency() override {
    uint64_t value = 0;
    asm("mrs %0, cntfrq_el0" : "=r"(value));
    return value;
  }
#else
  // No arm64 guest runs here: any steady clock does.
  static constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
  uint64_t Counter() override {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * kNanosecondsPerSecond +
           static_cast<uint64_t>(now.tv_nsec);
  }
  uint64_t CounterFrequency() override { return kNanosecondsPerSecond; }
#endif

  size_t PageSize() override { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
};

}  // namespace

KvmCalls& SystemKvmCalls() {
  static System system;
  return system;
}

}  // namespace firn::kvm
