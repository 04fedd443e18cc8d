// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/blk/disk_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"

namespace firn {
namespace {

class PosixDiskFile final : public DiskFile {
 public:
  explicit PosixDiskFile(FileDescriptor fd) : fd_(std::move(fd)) {}

  absl::StatusOr<size_t> ReadVector(absl::Span<const iovec> vectors, uint64_t offset) override {
    const ssize_t count = preadv(fd_.get(), vectors.data(), static_cast<int>(vectors.size()),
                                 static_cast<off_t>(offset));
    if (count < 0) return ErrnoStatus(errno, "preadv of a disk");
    return static_cast<size_t>(count);
  }

  absl::StatusOr<size_t> WriteVector(absl::Span<const iovec> vectors, uint64_t offset) override {
    const ssize_t count = pwritev(fd_.get(), vectors.data(), static_cast<int>(vectors.size()),
                                  static_cast<off_t>(offset));
    if (count < 0) return ErrnoStatus(errno, "pwritev of a disk");
    return static_cast<size_t>(count);
  }

  absl::Status Sync() override {
    return fdatasync(fd_.get()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "fdatasync of a disk");
  }

  absl::Status PunchHole(uint64_t offset, uint64_t size) override {
    return Allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
  }
  absl::Status ZeroRange(uint64_t offset, uint64_t size) override {
    return Allocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, size);
  }

 private:
  absl::Status Allocate(int mode, uint64_t offset, uint64_t size) {
    if (fallocate(fd_.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(size)) == 0) {
      return absl::OkStatus();
    }
    return ErrnoStatus(errno, "fallocate of a disk");
  }

  FileDescriptor fd_;
};

absl::Status OpenError(int error_number, const std::string& path, bool read_only) {
  const absl::Status status = ErrnoStatus(error_number, absl::StrCat("open disk ", path));
  switch (error_number) {
    case EISDIR:
      return absl::InvalidArgumentError(
          absl::StrCat("disk ", path, " is a folder; name a disk image"));
    case EACCES:
    case EPERM:
    case EROFS:
      if (!read_only) {
        return Annotate(status, "not writable (attach it read-only, or allow writing)");
      }
      return status;
    default:
      return status;
  }
}

absl::StatusOr<uint64_t> CheckedSize(int fd, const std::string& path) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, absl::StrCat("fstat disk ", path));
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("disk ", path, " is a folder; name a disk image"));
  }
  if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("disk ", path, " is neither a regular file nor a block device"));
  }
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size < 0) return ErrnoStatus(errno, absl::StrCat("lseek disk ", path));
  if (size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("disk ", path, " is empty; give it a size, as with truncate -s 64M"));
  }
  if (size % 512 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("disk ", path, " has ", size,
                     " bytes, not a multiple of 512; pad it, as with truncate -s %512"));
  }
  return static_cast<uint64_t>(size);
}

}  // namespace

absl::StatusOr<Disk> OpenDisk(const std::string& path, bool read_only) {
  // Non-blocking, so that a pipe is refused below and not waited for. Files do not care.
  const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
  FileDescriptor fd(open(path.c_str(), flags));
  if (!fd.is_valid()) return OpenError(errno, path, read_only);
  absl::StatusOr<uint64_t> size = CheckedSize(fd.get(), path);
  if (!size.ok()) return size.status();
  if (flock(fd.get(), (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, absl::StrCat("flock disk ", path));
    return absl::FailedPreconditionError(
        absl::StrCat("disk ", path,
                     " is in use by another guest, or attached twice; stop that one, or attach a "
                     "copy, or attach it read-only each time"));
  }
  return Disk{.file = std::make_unique<PosixDiskFile>(std::move(fd)),
              .size = *size,
              .read_only = read_only};
}

}  // namespace firn
