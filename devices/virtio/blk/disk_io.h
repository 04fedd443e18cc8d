// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Whole transfers on a disk file, out of calls that may be interrupted or come short.
#ifndef FIRN_DEVICES_VIRTIO_BLK_DISK_IO_H_
#define FIRN_DEVICES_VIRTIO_BLK_DISK_IO_H_

#include <cstdint>

#include "absl/status/status.h"
#include "devices/virtio/blk/disk_file.h"
#include "devices/virtio/chain_io.h"

namespace firn {

// Move all bytes of `vectors`. EINTR is tried again; another error ends the transfer, of which an
// unknown part is done. DataLoss where the file ended early or took nothing.
absl::Status ReadAll(DiskFile& file, virtio::IoVectors vectors, uint64_t offset);
absl::Status WriteAll(DiskFile& file, virtio::IoVectors vectors, uint64_t offset);

// fdatasync, again after EINTR.
absl::Status SyncAll(DiskFile& file);

// Makes a range read as zeroes, by writing them where the file system cannot do better. With
// `give_back` the blocks may go.
absl::Status WriteZeroes(DiskFile& file, uint64_t offset, uint64_t size, bool give_back);

// Gives the blocks of a range back. A file system that cannot keeps them: that is a success, as
// a discard is a hint.
absl::Status Discard(DiskFile& file, uint64_t offset, uint64_t size);

}  // namespace firn

#endif  // FIRN_DEVICES_VIRTIO_BLK_DISK_IO_H_
