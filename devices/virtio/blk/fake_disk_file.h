// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A disk file in memory whose calls can be made to fail or to come short, for tests.
#ifndef FIRN_DEVICES_VIRTIO_BLK_FAKE_DISK_FILE_H_
#define FIRN_DEVICES_VIRTIO_BLK_FAKE_DISK_FILE_H_

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "devices/virtio/blk/disk_file.h"
#include "hypervisor/errno_status.h"

namespace firn::testing {

// What a test controls and looks at; outlives the file.
struct FakeDisk {
  std::string content;
  // The next calls fail with these errnos, in turn; 0 lets a call pass.
  std::deque<int> errors;
  // Most bytes that one call moves.
  size_t most = ~size_t{0};
  // Answers of fallocate where not 0.
  int punch_error = 0;
  int zero_error = 0;
  // "read 0+512", "write", "sync", "punch", "zero", in order.
  std::vector<std::string> calls;
};

class FakeDiskFile final : public DiskFile {
 public:
  explicit FakeDiskFile(FakeDisk& disk) : disk_(disk) {}

  absl::StatusOr<size_t> ReadVector(absl::Span<const iovec> vectors, uint64_t offset) override {
    return Move("read", vectors, offset,
                [](void* memory, char* file, size_t size) { memcpy(memory, file, size); });
  }
  absl::StatusOr<size_t> WriteVector(absl::Span<const iovec> vectors, uint64_t offset) override {
    return Move("write", vectors, offset,
                [](void* memory, char* file, size_t size) { memcpy(file, memory, size); });
  }
  absl::Status Sync() override {
    disk_.calls.push_back("sync");
    return NextError("fdatasync");
  }
  absl::Status PunchHole(uint64_t offset, uint64_t size) override {
    return Clear("punch", disk_.punch_error, offset, size);
  }
  absl::Status ZeroRange(uint64_t offset, uint64_t size) override {
    return Clear("zero", disk_.zero_error, offset, size);
  }

 private:
  absl::Status NextError(std::string_view call) {
    if (disk_.errors.empty()) return absl::OkStatus();
    const int error = disk_.errors.front();
    disk_.errors.pop_front();
    return error == 0 ? absl::OkStatus() : ErrnoStatus(error, call);
  }

  template <typename Copy>
  absl::StatusOr<size_t> Move(const std::string& name, absl::Span<const iovec> vectors,
                              uint64_t offset, Copy copy) {
    size_t size = 0;
    for (const iovec& part : vectors) size += part.iov_len;
    disk_.calls.push_back(name + " " + std::to_string(offset) + "+" + std::to_string(size));
    if (absl::Status error = NextError(name); !error.ok()) return error;
    if (offset >= disk_.content.size()) return size_t{0};
    size_t left = std::min({size, disk_.most, disk_.content.size() - size_t{offset}});
    const size_t moved = left;
    char* file = disk_.content.data() + offset;
    for (const iovec& part : vectors) {
      const size_t count = std::min(left, part.iov_len);
      copy(part.iov_base, file, count);
      file += count;
      left -= count;
    }
    return moved;
  }

  absl::Status Clear(const std::string& name, int error, uint64_t offset, uint64_t size) {
    disk_.calls.push_back(name + " " + std::to_string(offset) + "+" + std::to_string(size));
    if (error != 0) return ErrnoStatus(error, name);
    if (absl::Status next = NextError(name); !next.ok()) return next;
    std::fill_n(disk_.content.begin() + static_cast<ptrdiff_t>(offset), size, '\0');
    return absl::OkStatus();
  }

  FakeDisk& disk_;
};

}  // namespace firn::testing

#endif  // FIRN_DEVICES_VIRTIO_BLK_FAKE_DISK_FILE_H_
