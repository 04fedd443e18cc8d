// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/recording_calls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/call_text.h"

namespace firn::kvm::testing {
namespace {

std::string ResultText(int result) {
  return result < 0 ? absl::StrCat(result, " ", ErrnoName(-result)) : absl::StrCat(result);
}

std::vector<uint8_t> ArgumentBytes(uint32_t request, uintptr_t argument) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(argument);
  return _IOC_DIR(request) == _IOC_NONE ? std::vector<uint8_t>()
                                        : std::vector<uint8_t>(bytes, bytes + _IOC_SIZE(request));
}

}  // namespace

std::vector<RecordedCall> RecordingCalls::calls() const {
  absl::MutexLock lock(&mutex_);
  return recorded_;
}

std::string RecordingCalls::Transcript() const {
  std::string transcript;
  for (const RecordedCall& call : calls()) absl::StrAppend(&transcript, call.line, "\n");
  return transcript;
}

int RecordingCalls::Open(const char* path) {
  const int result = calls_.Open(path);
  if (result >= 0) SetName(result, "kvm");
  Add({.fd = "",
       .line = absl::StrCat("open ", path, " = ", result >= 0 ? "kvm" : ResultText(result))});
  return result;
}

int RecordingCalls::Ioctl(int fd, uint32_t request, uintptr_t argument) {
  const std::string name = NameOf(fd);
  std::string line = absl::StrFormat("%s 0x%04x %s%s", name, request, RequestName(request),
                                     InputText(name, request, argument));
  std::vector<uint8_t> bytes = ArgumentBytes(request, argument);
  const int result = calls_.Ioctl(fd, request, argument);
  std::string made;
  if (result >= 0 && request == kCreateVm) {
    SetName(result, made = "vm");
  } else if (result >= 0 && request == kCreateVcpu) {
    SetName(result, made = absl::StrCat("vcpu", argument));
  } else if (result == 0 && request == kCreateDevice) {
    const auto& device = *reinterpret_cast<const struct CreateDevice*>(argument);
    if ((device.flags & kCreateDeviceTest) == 0) {
      SetName(static_cast<int>(device.fd), made = absl::StrCat("device", device.type));
    }
  }
  if (result >= 0) {
    const std::string output = OutputText(name, request, argument);
    if (!output.empty()) absl::StrAppend(&line, " ->", output);
  }
  absl::StrAppend(&line, " = ", made.empty() ? ResultText(result) : made);
  Add({.fd = name, .request = request, .bytes = std::move(bytes), .line = std::move(line)});
  return result;
}

void* RecordingCalls::Map(int fd, size_t size, int& error) {
  void* address = calls_.Map(fd, size, error);
  Add({.fd = "",
       .line = absl::StrFormat("mmap %s 0x%x = %s", NameOf(fd), size,
                               address != nullptr ? "kvm_run" : ResultText(-error))});
  return address;
}

void RecordingCalls::Unmap(void* address, size_t size) {
  Add({.fd = "", .line = absl::StrFormat("munmap kvm_run 0x%x", size)});
  calls_.Unmap(address, size);
}

void RecordingCalls::Close(int fd) {
  Add({.fd = "", .line = absl::StrCat("close ", NameOf(fd))});
  calls_.Close(fd);
}

std::string RecordingCalls::NameOf(int fd) const {
  absl::MutexLock lock(&mutex_);
  const auto found = names_.find(fd);
  return found == names_.end() ? "unknown" : found->second;
}

void RecordingCalls::SetName(int fd, std::string name) {
  absl::MutexLock lock(&mutex_);
  names_[fd] = std::move(name);
}

void RecordingCalls::Add(RecordedCall call) {
  absl::MutexLock lock(&mutex_);
  recorded_.push_back(std::move(call));
}

}  // namespace firn::kvm::testing
