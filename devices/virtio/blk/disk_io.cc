// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/blk/disk_io.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "absl/functional/function_ref.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using virtio::IoVectors;

using Transfer =
    absl::FunctionRef<absl::StatusOr<size_t>(absl::Span<const iovec> vectors, uint64_t offset)>;

absl::Status TransferAll(IoVectors& vectors, uint64_t offset, Transfer transfer) {
  absl::Span<iovec> left = absl::MakeSpan(vectors);
  while (!left.empty()) {
    absl::StatusOr<size_t> moved = transfer(left, offset);
    if (!moved.ok()) {
      if (GetErrno(moved.status()) == EINTR) continue;
      return moved.status();
    }
    if (*moved == 0) return absl::DataLossError("the disk file is shorter than its disk");
    offset += *moved;
    size_t count = *moved;
    while (!left.empty() && count >= left[0].iov_len) {
      count -= left[0].iov_len;
      left.remove_prefix(1);
    }
    if (count > 0) {
      left[0].iov_base = static_cast<std::byte*>(left[0].iov_base) + count;
      left[0].iov_len -= count;
    }
  }
  return absl::OkStatus();
}

absl::Status UntilNotInterrupted(absl::FunctionRef<absl::Status()> call) {
  while (true) {
    absl::Status status = call();
    if (GetErrno(status) != EINTR) return status;
  }
}

// Ranges were checked before: EINVAL is that of a block device whose sectors are larger than 512
// bytes.
bool IsUnsupported(const absl::Status& status) {
  const int error_number = GetErrno(status);
  return error_number == EOPNOTSUPP || error_number == ENOSYS || error_number == EINVAL;
}

// Never written. Not const: 64 KiB of them would be in the binary.
alignas(4096) std::array<std::byte, 65536> g_zeroes;

}  // namespace

absl::Status ReadAll(DiskFile& file, IoVectors vectors, uint64_t offset) {
  return TransferAll(vectors, offset, [&file](absl::Span<const iovec> left, uint64_t at) {
    return file.ReadVector(left, at);
  });
}

absl::Status WriteAll(DiskFile& file, IoVectors vectors, uint64_t offset) {
  return TransferAll(vectors, offset, [&file](absl::Span<const iovec> left, uint64_t at) {
    return file.WriteVector(left, at);
  });
}

absl::Status SyncAll(DiskFile& file) {
  return UntilNotInterrupted([&file] { return file.Sync(); });
}

absl::Status WriteZeroes(DiskFile& file, uint64_t offset, uint64_t size, bool give_back) {
  if (give_back) {
    const absl::Status status = UntilNotInterrupted([&] { return file.PunchHole(offset, size); });
    if (!IsUnsupported(status)) return status;
  }
  const absl::Status status = UntilNotInterrupted([&] { return file.ZeroRange(offset, size); });
  if (!IsUnsupported(status)) return status;
  while (size > 0) {
    const uint64_t part = std::min<uint64_t>(size, g_zeroes.size());
    // iovec knows no const; a write only reads.
    const IoVectors vectors = {{.iov_base = g_zeroes.data(), .iov_len = part}};
    if (absl::Status written = WriteAll(file, vectors, offset); !written.ok()) return written;
    offset += part;
    size -= part;
  }
  return absl::OkStatus();
}

absl::Status Discard(DiskFile& file, uint64_t offset, uint64_t size) {
  const absl::Status status = UntilNotInterrupted([&] { return file.PunchHole(offset, size); });
  return IsUnsupported(status) ? absl::OkStatus() : status;
}

}  // namespace firn
