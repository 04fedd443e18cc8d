// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One open file of a snapshot, through FileCalls. Errors keep errno and name the file.
#ifndef FIRN_MIGRATION_FILE_H_
#define FIRN_MIGRATION_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "migration/file_calls.h"

namespace firn {

class File {
 public:
  // A file that is made is its owner's alone: guest memory goes there.
  static absl::StatusOr<File> Open(FileCalls& calls, std::string path, int flags,
                                   mode_t mode = 0600);
  File(File&& other) noexcept
      : calls_(other.calls_), path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    if (this == &other) return *this;
    if (fd_ >= 0) calls_->Close(fd_);
    calls_ = other.calls_;
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) calls_->Close(fd_);
  }

  // Another descriptor of the same open file.
  absl::StatusOr<File> Duplicate() const;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

  absl::StatusOr<uint64_t> Size() const;
  // All of `data`, or an error: DataLoss where the file ends before.
  absl::Status Read(uint64_t offset, absl::Span<std::byte> data) const;
  absl::Status Write(uint64_t offset, absl::Span<const std::byte> data);
  absl::Status Truncate(uint64_t size);
  absl::Status Sync();

 private:
  File(FileCalls& calls, std::string path, int fd)
      : calls_(&calls), path_(std::move(path)), fd_(fd) {}
  absl::Status Error(int64_t negative_errno, std::string_view call) const;

  FileCalls* calls_;
  std::string path_;
  int fd_;
};

// The whole of a regular file of at most `limit` bytes.
absl::StatusOr<std::string> ReadWholeFile(FileCalls& calls, const std::string& path,
                                          uint64_t limit);

}  // namespace firn

#endif  // FIRN_MIGRATION_FILE_H_
