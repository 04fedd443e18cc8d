// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/image_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"

namespace firn {
namespace {

absl::Status TooShort(uint64_t offset, uint64_t size) {
  return absl::OutOfRangeError(
      absl::StrCat("the file ends before byte ", offset + size, ": is it truncated?"));
}

class RegularFile final : public ImageFile {
 public:
  RegularFile(FileDescriptor fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}

  uint64_t size() const override { return size_; }

  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> data) override {
    while (!data.empty()) {
      const ssize_t count = pread(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ErrnoStatus(errno, "pread");
      if (count == 0) return TooShort(offset, data.size());
      offset += static_cast<uint64_t>(count);
      data.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

 private:
  const FileDescriptor fd_;
  const uint64_t size_;
};

class Bytes final : public ImageFile {
 public:
  explicit Bytes(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t size() const override { return bytes_.size(); }

  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> data) override {
    if (offset > bytes_.size() || data.size() > bytes_.size() - offset) {
      return TooShort(offset, data.size());
    }
    if (!data.empty()) std::memcpy(data.data(), bytes_.data() + offset, data.size());
    return absl::OkStatus();
  }

 private:
  const absl::Span<const std::byte> bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ImageFile>> OpenImageFile(const std::string& path) {
  // O_NONBLOCK: the open of a pipe would wait for its writer.
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("fstat ", path));
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a folder: name the file in it"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a regular file: copy its content into one"));
  }
  return std::make_unique<RegularFile>(std::move(fd), static_cast<uint64_t>(info.st_size));
}

std::unique_ptr<ImageFile> ImageFileOfBytes(absl::Span<const std::byte> bytes) {
  return std::make_unique<Bytes>(bytes);
}

}  // namespace firn
