// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A disk for the guest, backed by a file (virtio 1.2 section 5.2).
#ifndef FIRN_DEVICES_VIRTIO_BLK_BLOCK_DEVICE_H_
#define FIRN_DEVICES_VIRTIO_BLK_BLOCK_DEVICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/virtio/blk/block_abi.h"
#include "devices/virtio/blk/disk_file.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio {

// One request queue. Data moves between the file and guest memory without a copy. A driver that
// does not negotiate FLUSH gets a write-through disk: each write is on disk when it is answered.
//
// The device's lock is held during its disk I/O.
class BlockDevice final : public VirtioDevice {
 public:
  // `serial` answers GET_ID: 20 bytes of it at most.
  BlockDevice(Disk disk, std::string_view serial);

  DeviceType type() const override { return DeviceType::kBlock; }
  uint64_t features() const override;
  absl::Span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  void ReadConfig(uint64_t offset, absl::Span<std::byte> data) const override;
  void Activate(ActiveQueues queues) override;
  void Reset() override;
  bool OnQueueNotify(uint16_t queue) override;
  std::vector<std::optional<QueuePosition>> QueuePositions() const override;
  std::string SaveDevice() const override;
  absl::Status RestoreDevice(std::string_view state, ActiveQueues queues) override;

 private:
  static constexpr std::array<uint16_t, 1> kQueueSizes = {256};

  absl::StatusOr<uint32_t> Serve(const DescriptorChain& chain)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BlockStatus Execute(const DescriptorChain& chain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BlockStatus ReadSectors(const DescriptorChain& chain, uint64_t sector)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BlockStatus WriteSectors(const DescriptorChain& chain, uint64_t sector)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BlockStatus GetId(const DescriptorChain& chain) const;
  BlockStatus ClearRanges(const DescriptorChain& chain, BlockRequestType type)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BlockStatus FinishWrite(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BlockStatus CheckRange(const BlockRange& range, BlockRequestType type) const;
  std::string SerialId() const;  // without its padding
  bool IsInside(uint64_t sector, uint64_t bytes) const;

  const uint64_t size_;  // bytes
  const bool read_only_;
  std::array<std::byte, kBlockIdSize> id_{};

  mutable absl::Mutex mutex_;
  std::unique_ptr<DiskFile> file_ ABSL_GUARDED_BY(mutex_);
  ActiveQueues queues_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_BLK_BLOCK_DEVICE_H_
