// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/file_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace firn {
namespace {

// `call` until it is not interrupted; -errno where it fails.
template <typename Call>
auto Retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result < 0 ? static_cast<decltype(result)>(-errno) : result;
}

class KernelFileCalls final : public FileCalls {
 public:
  int Open(const std::string& path, int flags, mode_t mode) override {
    return Retried([&] { return open(path.c_str(), flags | O_CLOEXEC, mode); });
  }
  void Close(int fd) override { close(fd); }
  int Duplicate(int fd) override {
    return Retried([&] { return fcntl(fd, F_DUPFD_CLOEXEC, 0); });
  }
  ssize_t Pread(int fd, void* data, size_t size, uint64_t offset) override {
    return Retried([&] { return pread(fd, data, size, static_cast<off_t>(offset)); });
  }
  ssize_t Pwrite(int fd, const void* data, size_t size, uint64_t offset) override {
    return Retried([&] { return pwrite(fd, data, size, static_cast<off_t>(offset)); });
  }
  int Truncate(int fd, uint64_t size) override {
    return Retried([&] { return ftruncate(fd, static_cast<off_t>(size)); });
  }
  int Sync(int fd) override {
    return Retried([&] { return fsync(fd); });
  }
  int Rename(const std::string& from, const std::string& to) override {
    return Retried([&] { return rename(from.c_str(), to.c_str()); });
  }
  int Unlink(const std::string& path) override {
    return Retried([&] { return unlink(path.c_str()); });
  }
  int64_t Size(int fd) override {
    struct stat info;
    if (fstat(fd, &info) != 0) return -errno;
    if (S_ISDIR(info.st_mode)) return -EISDIR;
    if (!S_ISREG(info.st_mode)) return -ESPIPE;
    return info.st_size;
  }
  int Lock(int fd) override {
    return Retried([&] { return flock(fd, LOCK_EX | LOCK_NB); });
  }
  int List(const std::string& folder, std::vector<std::string>& names) override {
    DIR* const open_folder = opendir(folder.c_str());
    if (open_folder == nullptr) return -errno;
    while (const dirent* entry = readdir(open_folder)) names.emplace_back(entry->d_name);
    closedir(open_folder);
    return 0;
  }
};

}  // namespace

FileCalls& SystemFileCalls() {
  static KernelFileCalls* const kCalls = new KernelFileCalls;
  return *kCalls;
}

}  // namespace firn
