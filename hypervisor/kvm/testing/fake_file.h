// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// An open file of FakeKvm, and how its ioctls get at user memory.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_FAKE_FILE_H_
#define FIRN_HYPERVISOR_KVM_TESTING_FAKE_FILE_H_

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/software/user_memory.h"

namespace firn::kvm::testing {

// Thread rules: as a file descriptor, any thread.
class FakeFile {
 public:
  virtual ~FakeFile() = default;
  // What it is, for messages: "/dev/kvm", "VM", "vCPU 0", "ARM_VGIC_V3".
  virtual std::string name() const = 0;
  // 0 or more, or -errno.
  virtual int Ioctl(uint32_t request, uintptr_t argument) = 0;
  // A memfd with the memory that mmap of this file gives; -1: none (ENODEV).
  virtual int memory() const { return -1; }
  virtual size_t memory_size() const { return 0; }
};

// The process's file descriptors of KVM.
class FakeFiles {
 public:
  virtual ~FakeFiles() = default;
  // A new descriptor, or -EMFILE.
  virtual int Install(std::shared_ptr<FakeFile> file) = 0;
};

// What an ioctl returns for a status of the seam.
inline int ResultOf(const absl::Status& status) {
  if (status.ok()) return 0;
  const int error = GetErrno(status);
  return error > 0 ? -error : -EIO;
}

// copy_from_user and copy_to_user: 0 or -EFAULT.
template <typename T>
int FromUser(uintptr_t user, T& value) {
  return ResultOf(software::CopyFromUser(
      absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(T)), user, "copy_from_user"));
}
template <typename T>
int ToUser(uintptr_t user, const T& value) {
  return ResultOf(software::PutUser(user, value, "copy_to_user"));
}

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_FAKE_FILE_H_
