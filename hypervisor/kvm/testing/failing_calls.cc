// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/failing_calls.h"

#include <utility>

#include "hypervisor/kvm/ioctls.h"

namespace firn::kvm::testing {

std::vector<std::string> FailingCalls::names() const {
  absl::MutexLock lock(&mutex_);
  return names_;
}

std::string FailingCalls::failed() const {
  absl::MutexLock lock(&mutex_);
  return failed_;
}

uint64_t FailingCalls::failures() const {
  absl::MutexLock lock(&mutex_);
  return failures_;
}

int FailingCalls::Open(const char* path) {
  if (const int error = Next("open", std::nullopt); error != 0) return -error;
  return calls_.Open(path);
}

int FailingCalls::Ioctl(int fd, uint32_t request, uintptr_t argument) {
  const int error = Next(std::string(RequestName(request)), request);
  return error != 0 ? -error : calls_.Ioctl(fd, request, argument);
}

void* FailingCalls::Map(int fd, size_t size, int& error) {
  error = Next("mmap", std::nullopt);
  return error != 0 ? nullptr : calls_.Map(fd, size, error);
}

int FailingCalls::Next(std::string name, std::optional<uint32_t> request) {
  absl::MutexLock lock(&mutex_);
  names_.push_back(name);
  if (!failure_) return 0;
  // Once it has begun, the retries of that call are its own.
  const bool matches = failures_ > 0       ? name == failed_
                       : failure_->request ? request == failure_->request
                                           : true;
  if (!matches) return 0;
  if (matched_++ < failure_->at) return 0;
  if (failures_ >= failure_->times) return 0;
  if (failures_++ == 0) failed_ = std::move(name);
  return failure_->error;
}

}  // namespace firn::kvm::testing
