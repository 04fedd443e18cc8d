// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {

absl::StatusOr<File> File::Open(FileCalls& calls, std::string path, int flags, mode_t mode) {
  const int fd = calls.Open(path, flags, mode);
  if (fd < 0) return ErrnoStatus(-fd, absl::StrCat("open ", path));
  return File(calls, std::move(path), fd);
}

absl::StatusOr<File> File::Duplicate() const {
  const int fd = calls_->Duplicate(fd_);
  if (fd < 0) return Error(fd, "fcntl(F_DUPFD_CLOEXEC)");
  return File(*calls_, path_, fd);
}

absl::Status File::Error(int64_t negative_errno, std::string_view call) const {
  return ErrnoStatus(static_cast<int>(-negative_errno), absl::StrCat(call, " ", path_));
}

absl::StatusOr<uint64_t> File::Size() const {
  const int64_t size = calls_->Size(fd_);
  if (size < 0) return Error(size, "fstat");
  return static_cast<uint64_t>(size);
}

absl::Status File::Read(uint64_t offset, absl::Span<std::byte> data) const {
  while (!data.empty()) {
    const ssize_t got = calls_->Pread(fd_, data.data(), data.size(), offset);
    if (got < 0) return Error(got, "read");
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat(path_, " ends at byte ", offset, ", before its data"));
    }
    offset += static_cast<uint64_t>(got);
    data.remove_prefix(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

absl::Status File::Write(uint64_t offset, absl::Span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t put = calls_->Pwrite(fd_, data.data(), data.size(), offset);
    if (put < 0) return Error(put, "write");
    if (put == 0) return Error(-EIO, "write");
    offset += static_cast<uint64_t>(put);
    data.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status File::Truncate(uint64_t size) {
  const int result = calls_->Truncate(fd_, size);
  return result < 0 ? Error(result, "ftruncate") : absl::OkStatus();
}

absl::Status File::Sync() {
  const int result = calls_->Sync(fd_);
  return result < 0 ? Error(result, "fsync") : absl::OkStatus();
}

absl::StatusOr<std::string> ReadWholeFile(FileCalls& calls, const std::string& path,
                                          uint64_t limit) {
  // O_NONBLOCK: a FIFO is refused below, not waited for.
  absl::StatusOr<File> file = File::Open(calls, path, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = file->Size();
  if (!size.ok()) return size.status();
  if (*size > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", *size, " bytes, the limit is ", limit));
  }
  std::string content(*size, '\0');
  absl::Status status =
      file->Read(0, absl::MakeSpan(reinterpret_cast<std::byte*>(content.data()), content.size()));
  if (!status.ok()) return status;
  return content;
}

}  // namespace firn
