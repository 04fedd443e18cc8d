// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The system calls by which snapshots are written and read, all of them: a test makes the n-th one
// fail, or kills the process there.
#ifndef FIRN_MIGRATION_FILE_CALLS_H_
#define FIRN_MIGRATION_FILE_CALLS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace firn {

// Results are those of the system calls, but an error is -errno; EINTR is tried again.
// Thread rules: every method may be called from any thread.
class FileCalls {
 public:
  virtual ~FileCalls() = default;

  // open(2), close-on-exec.
  virtual int Open(const std::string& path, int flags, mode_t mode) = 0;
  virtual void Close(int fd) = 0;
  // fcntl(2) with F_DUPFD_CLOEXEC.
  virtual int Duplicate(int fd) = 0;
  virtual ssize_t Pread(int fd, void* data, size_t size, uint64_t offset) = 0;
  virtual ssize_t Pwrite(int fd, const void* data, size_t size, uint64_t offset) = 0;
  virtual int Truncate(int fd, uint64_t size) = 0;
  // fsync(2); a folder too.
  virtual int Sync(int fd) = 0;
  virtual int Rename(const std::string& from, const std::string& to) = 0;
  virtual int Unlink(const std::string& path) = 0;
  // fstat(2): the size of a regular file in bytes, or -errno; EISDIR and ESPIPE for a folder and
  // for what else is no file.
  virtual int64_t Size(int fd) = 0;
  // flock(2), exclusive, without waiting; it goes with the descriptor.
  virtual int Lock(int fd) = 0;
  // readdir(3): the names in a folder, appended to `names`.
  virtual int List(const std::string& folder, std::vector<std::string>& names) = 0;
};

// The kernel. One object for the whole process.
FileCalls& SystemFileCalls();

}  // namespace firn

#endif  // FIRN_MIGRATION_FILE_CALLS_H_
