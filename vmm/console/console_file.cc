// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/console_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

// O_NONBLOCK: a FIFO that nobody reads is an error, not a wait. Writing is by poll.
constexpr int kFlags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

}  // namespace

absl::StatusOr<ConsoleFile> ConsoleFile::Open(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0666));
  if (fd.is_valid()) return ConsoleFile(std::move(fd), path);
  if (errno == EEXIST) fd.Reset(open(path.c_str(), kFlags));
  if (!fd.is_valid()) return ErrnoStatus(errno, absl::StrCat("console file ", path, ": open"));
  return ConsoleFile(std::move(fd), "");
}

ConsoleFile::~ConsoleFile() {
  if (fd_.is_valid() && !created_.empty()) unlink(created_.c_str());
}

absl::Status ConsoleFile::Keep() {
  created_.clear();
  struct stat stat = {};
  if (fstat(fd_.get(), &stat) == 0 && S_ISREG(stat.st_mode) && ftruncate(fd_.get(), 0) < 0) {
    return ErrnoStatus(errno, "ftruncate of the console file");
  }
  return absl::OkStatus();
}

}  // namespace firn
