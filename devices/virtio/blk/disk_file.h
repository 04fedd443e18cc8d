// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The file behind a disk: one method per system call, so that a test can make each of them fail.
#ifndef FIRN_DEVICES_VIRTIO_BLK_DISK_FILE_H_
#define FIRN_DEVICES_VIRTIO_BLK_DISK_FILE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace firn {

// Thread rules: one thread at a time. Errors keep errno.
class DiskFile {
 public:
  virtual ~DiskFile() = default;

  // preadv(2), pwritev(2): the bytes moved, which may be fewer than asked for; 0 from a read is the
  // end of the file. `vectors` has from 1 to IOV_MAX elements.
  virtual absl::StatusOr<size_t> ReadVector(absl::Span<const iovec> vectors, uint64_t offset) = 0;
  virtual absl::StatusOr<size_t> WriteVector(absl::Span<const iovec> vectors, uint64_t offset) = 0;
  // fdatasync(2).
  virtual absl::Status Sync() = 0;
  // fallocate(2), keeping the size: the range reads as zeroes, its blocks given back (PunchHole)
  // or kept (ZeroRange). EOPNOTSUPP where the file system cannot do it.
  virtual absl::Status PunchHole(uint64_t offset, uint64_t size) = 0;
  virtual absl::Status ZeroRange(uint64_t offset, uint64_t size) = 0;
};

struct Disk {
  std::unique_ptr<DiskFile> file;
  uint64_t size = 0;  // bytes, a multiple of 512
  bool read_only = false;
};

// Opens a regular file or a block device, and locks it (flock) against other users: shared where
// read-only, else exclusive. Errors name the cause and the remedy: NotFound; InvalidArgument for a
// folder, a pipe and the like, an empty file, a size that is not a multiple of 512;
// PermissionDenied; FailedPrecondition where another process uses it.
absl::StatusOr<Disk> OpenDisk(const std::string& path, bool read_only);

}  // namespace firn

#endif  // FIRN_DEVICES_VIRTIO_BLK_DISK_FILE_H_
