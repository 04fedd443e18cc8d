// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/fake_kvm.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/kvm/testing/fake_vm.h"

namespace firn::kvm::testing {

// The file of /dev/kvm.
class FakeKvm::System : public FakeFile {
 public:
  explicit System(FakeKvm* kvm) : kvm_(kvm) {}

  std::string name() const override { return "/dev/kvm"; }

  int Ioctl(uint32_t request, uintptr_t argument) override {
    switch (request) {
      case kGetApiVersion:
        return argument == 0 ? kvm_->host_.api_version : -EINVAL;
      case kCheckExtension:
        return CapabilityOf(kvm_->host_, argument);
      case kGetVcpuMmapSize:
        return argument == 0 ? static_cast<int>(RunPageSize(kvm_->host_)) : -EINVAL;
      case kCreateVm:
        return kvm_->CreateVm(argument);
      default:
        return -EINVAL;
    }
  }

 private:
  FakeKvm* const kvm_;
};

FakeKvm::FakeKvm(FakeHost host, Hypervisor& machine) : host_(std::move(host)), machine_(machine) {}

FakeKvm::~FakeKvm() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [address, mapping] : mappings_) munmap(address, mapping.size);
}

int FakeKvm::Open(const char* path) {
  if (std::string_view(path) != "/dev/kvm") return -ENOENT;
  if (host_.open_error != 0) return -host_.open_error;
  return Install(std::make_shared<System>(this));
}

int FakeKvm::Ioctl(int fd, uint32_t request, uintptr_t argument) {
  const std::shared_ptr<FakeFile> file = Find(fd);
  return file == nullptr ? -EBADF : file->Ioctl(request, argument);
}

void* FakeKvm::Map(int fd, size_t size, int& error) {
  const std::shared_ptr<FakeFile> file = Find(fd);
  error = file == nullptr                           ? EBADF
          : file->memory() < 0                      ? ENODEV
          : size == 0 || size > file->memory_size() ? EINVAL
                                                    : 0;
  if (error != 0) return nullptr;
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->memory(), 0);
  if (address == MAP_FAILED) {
    error = errno;
    return nullptr;
  }
  absl::MutexLock lock(&mutex_);
  mappings_[address] = {size, file};
  return address;
}

void FakeKvm::Unmap(void* address, size_t size) {
  std::shared_ptr<FakeFile> file;  // may be the last reference: goes without the lock
  absl::MutexLock lock(&mutex_);
  const auto found = mappings_.find(address);
  if (found == mappings_.end() || found->second.size != size) {
    misuse_.push_back(absl::StrCat("unmap of ", size, " bytes that are not mapped so"));
    return;
  }
  munmap(address, size);
  file = std::move(found->second.file);
  mappings_.erase(found);
}

void FakeKvm::Close(int fd) {
  std::shared_ptr<FakeFile> file;
  absl::MutexLock lock(&mutex_);
  const auto found = files_.find(fd);
  if (found == files_.end()) {
    misuse_.push_back(absl::StrCat("close of ", fd, ", which is not open"));
    return;
  }
  file = std::move(found->second);
  files_.erase(found);
}

uint64_t FakeKvm::Counter() {
  absl::MutexLock lock(&mutex_);
  const std::shared_ptr<FakeVm> vm = last_vm_.lock();
  return vm == nullptr ? 0 : vm->HostCounter();
}

uint64_t FakeKvm::CounterFrequency() {
  absl::MutexLock lock(&mutex_);
  const std::shared_ptr<FakeVm> vm = last_vm_.lock();
  constexpr uint64_t kOften = 62'500'000;
  return vm == nullptr ? kOften : vm->CounterFrequency();
}

std::vector<std::string> FakeKvm::open_fds() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [fd, file] : files_) names.push_back(file->name());
  return names;
}

std::vector<std::string> FakeKvm::mappings() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [address, mapping] : mappings_) names.push_back(mapping.file->name());
  return names;
}

std::vector<std::string> FakeKvm::misuse() const {
  absl::MutexLock lock(&mutex_);
  return misuse_;
}

int FakeKvm::Install(std::shared_ptr<FakeFile> file) {
  absl::MutexLock lock(&mutex_);
  if (files_.size() >= host_.fd_limit) return -EMFILE;
  const int fd = next_fd_++;
  files_[fd] = std::move(file);
  return fd;
}

std::shared_ptr<FakeFile> FakeKvm::Find(int fd) const {
  absl::MutexLock lock(&mutex_);
  const auto found = files_.find(fd);
  return found == files_.end() ? nullptr : found->second;
}

int FakeKvm::CreateVm(uintptr_t type) {
  constexpr uintptr_t kIpaMask = 0xff;
  constexpr int kDefaultIpaBits = 40, kMinIpaBits = 32;
  if (host_.is_x86 ? type != 0 : (type & ~kIpaMask) != 0) return -EINVAL;
  int ipa_bits = kDefaultIpaBits;
  if (!host_.is_x86) {
    const int limit = CapabilityOf(host_, kCapArmVmIpaSize);
    if (type != 0) ipa_bits = static_cast<int>(type);
    // A kernel without the capability has 40 bits alone.
    if (limit == 0 && type != 0) return -EINVAL;
    if (ipa_bits < kMinIpaBits || ipa_bits > (limit == 0 ? kDefaultIpaBits : limit)) {
      return -EINVAL;
    }
  }
  absl::StatusOr<std::unique_ptr<Vm>> vm =
      machine_.CreateVm(std::min(ipa_bits, machine_.CheckExtension(kCapArmVmIpaSize)));
  if (!vm.ok()) return ResultOf(vm.status());
  FakeFiles& files = *this;
  auto file = std::make_shared<FakeVm>(host_, files, *std::move(vm), ipa_bits);
  const int fd = Install(file);
  if (fd >= 0) {
    absl::MutexLock lock(&mutex_);
    last_vm_ = file;
  }
  return fd;
}

}  // namespace firn::kvm::testing
