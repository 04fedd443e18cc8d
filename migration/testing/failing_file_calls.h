// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// File calls of which the n-th fails, or is the last that the process lived to make.
#ifndef FIRN_MIGRATION_TESTING_FAILING_FILE_CALLS_H_
#define FIRN_MIGRATION_TESTING_FAILING_FILE_CALLS_H_

#include <cerrno>
#include <string>
#include <vector>

#include "migration/file_calls.h"

namespace firn::testing {

// Thread rules: one thread.
class FailingFileCalls : public FileCalls {
 public:
  // Call number `n` (0 is the first) fails with `error_number`.
  void FailAt(int n, int error_number) { *this = FailingFileCalls(n, error_number, false); }
  // Nothing has an effect from call number `n` on, as if the process had been killed before it.
  void KillAt(int n) { *this = FailingFileCalls(n, EIO, true); }
  FailingFileCalls() = default;

  int calls() const { return calls_; }
  bool has_failed() const { return fail_at_ >= 0 && calls_ > fail_at_; }

  int Open(const std::string& path, int flags, mode_t mode) override {
    return Do<int>([&] { return real().Open(path, flags, mode); });
  }
  // Descriptors go with a process that is killed.
  void Close(int fd) override { real().Close(fd); }
  int Duplicate(int fd) override {
    return Do<int>([&] { return real().Duplicate(fd); });
  }
  ssize_t Pread(int fd, void* data, size_t size, uint64_t offset) override {
    return Do<ssize_t>([&] { return real().Pread(fd, data, size, offset); });
  }
  ssize_t Pwrite(int fd, const void* data, size_t size, uint64_t offset) override {
    return Do<ssize_t>([&] { return real().Pwrite(fd, data, size, offset); });
  }
  int Truncate(int fd, uint64_t size) override {
    return Do<int>([&] { return real().Truncate(fd, size); });
  }
  // Tests look at what the kernel has, not at the disk, and make thousands of saves.
  int Sync(int) override {
    return Do<int>([] { return 0; });
  }
  int Rename(const std::string& from, const std::string& to) override {
    return Do<int>([&] { return real().Rename(from, to); });
  }
  int Unlink(const std::string& path) override {
    return Do<int>([&] { return real().Unlink(path); });
  }
  int64_t Size(int fd) override {
    return Do<int64_t>([&] { return real().Size(fd); });
  }
  int Lock(int fd) override {
    return Do<int>([&] { return real().Lock(fd); });
  }
  int List(const std::string& folder, std::vector<std::string>& names) override {
    return Do<int>([&] { return real().List(folder, names); });
  }

 private:
  FailingFileCalls(int n, int error_number, bool kill)
      : fail_at_(n), error_number_(error_number), kill_(kill) {}

  static FileCalls& real() { return SystemFileCalls(); }

  template <typename Result, typename Call>
  Result Do(Call call) {
    const int number = calls_++;
    const bool fails = fail_at_ >= 0 && (kill_ ? number >= fail_at_ : number == fail_at_);
    return fails ? static_cast<Result>(-error_number_) : static_cast<Result>(call());
  }

  int fail_at_ = -1;
  int error_number_ = EIO;
  bool kill_ = false;
  int calls_ = 0;
};

}  // namespace firn::testing

#endif  // FIRN_MIGRATION_TESTING_FAILING_FILE_CALLS_H_
