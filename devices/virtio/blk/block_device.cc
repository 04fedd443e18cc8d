// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/blk/block_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "devices/little_endian.h"
#include "devices/virtio/blk/block_state.pb.h"
#include "devices/virtio/blk/disk_io.h"
#include "devices/virtio/chain_io.h"
#include "devices/virtio/serve_queue.h"

namespace firn::virtio {
namespace {

// A header and a status need two descriptors of a chain.
constexpr uint32_t kSegMax = 254;
constexpr uint32_t kSizeMax = 4 << 20;
// Bounds the work of one request: 64 MiB in all, where zeroes must be written one by one.
constexpr uint32_t kMaxClearSegments = 16;
constexpr uint32_t kMaxClearSectors = (4 << 20) / kSectorSize;
// A discard never writes.
constexpr uint32_t kMaxDiscardSectors = (1 << 30) / kSectorSize;

BlockStatus ToBlockStatus(const absl::Status& status) {
  if (status.ok()) return BlockStatus::kOk;
  // A full or broken disk: as often as the guest writes.
  LOG_EVERY_POW_2(WARNING) << "a disk request failed: " << status.message();
  return BlockStatus::kIoError;
}

}  // namespace

BlockDevice::BlockDevice(Disk disk, std::string_view serial)
    : size_(disk.size), read_only_(disk.read_only), file_(std::move(disk.file)) {
  memcpy(id_.data(), serial.data(), std::min(serial.size(), id_.size()));
}

uint64_t BlockDevice::features() const {
  const uint64_t common = kBlockSizeMax | kBlockSegMax | kBlockBlkSize | kBlockFlush;
  return common | (read_only_ ? kBlockReadOnly : kBlockDiscard | kBlockWriteZeroes);
}

void BlockDevice::ReadConfig(uint64_t offset, absl::Span<std::byte> data) const {
  BlockConfig config{};
  config.capacity = size_ / kSectorSize;
  config.size_max = kSizeMax;
  config.seg_max = kSegMax;
  config.blk_size = kSectorSize;
  config.num_queues = 1;
  if (!read_only_) {
    config.max_discard_sectors = kMaxDiscardSectors;
    config.max_discard_seg = kMaxClearSegments;
    config.discard_sector_alignment = 4096 / kSectorSize;
    config.max_write_zeroes_sectors = kMaxClearSectors;
    config.max_write_zeroes_seg = kMaxClearSegments;
    config.write_zeroes_may_unmap = 1;
  }
  CopyFrom(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&config), sizeof(config)), offset,
           data);
}

void BlockDevice::Activate(ActiveQueues queues) {
  absl::MutexLock lock(&mutex_);
  queues_ = std::move(queues);
}

void BlockDevice::Reset() {
  absl::MutexLock lock(&mutex_);
  queues_ = ActiveQueues();
}

std::vector<std::optional<QueuePosition>> BlockDevice::QueuePositions() const {
  absl::MutexLock lock(&mutex_);
  return queues_.positions();
}

std::string BlockDevice::SerialId() const {
  const char* text = reinterpret_cast<const char*>(id_.data());
  return std::string(text, strnlen(text, id_.size()));
}

std::string BlockDevice::SaveDevice() const {
  state::Block state;
  state.set_size_bytes(size_);
  state.set_read_only(read_only_);
  state.set_serial_id(SerialId());
  return state.SerializeAsString();
}

// The guest's caches and file systems know the disk as it was.
absl::Status BlockDevice::RestoreDevice(std::string_view state, ActiveQueues queues) {
  state::Block saved;
  if (!saved.ParseFromArray(state.data(), static_cast<int>(state.size()))) {
    return absl::InvalidArgumentError("the state of a block device is malformed");
  }
  if (saved.serial_id().size() > id_.size()) {
    return absl::InvalidArgumentError(absl::StrFormat("serial_id has %d bytes, with room for %d",
                                                      saved.serial_id().size(), id_.size()));
  }
  std::string change;
  if (saved.serial_id() != SerialId()) {
    change = absl::StrFormat("was disk \"%s\" when the snapshot was made",
                             absl::CHexEscape(saved.serial_id()));
  } else if (saved.size_bytes() != size_) {
    change = absl::StrFormat("was %d bytes when the snapshot was made, now %d", saved.size_bytes(),
                             size_);
  } else if (saved.read_only() != read_only_) {
    change = absl::StrFormat("was %s when the snapshot was made, now %s",
                             saved.read_only() ? "read-only" : "writable",
                             read_only_ ? "read-only" : "writable");
  }
  if (!change.empty()) {
    return absl::FailedPreconditionError(
        absl::StrFormat("disk \"%s\" %s: restore it with the disk that the guest had",
                        absl::CHexEscape(SerialId()), change));
  }
  Activate(std::move(queues));
  return absl::OkStatus();
}

bool BlockDevice::OnQueueNotify(uint16_t queue) {
  absl::MutexLock lock(&mutex_);
  return ServeQueue(queues_, queue, counters_, [this](const DescriptorChain& chain) {
    mutex_.AssertHeld();
    return Serve(chain);
  });
}

absl::StatusOr<uint32_t> BlockDevice::Serve(const DescriptorChain& chain) {
  if (chain.writable_size() == 0) {
    return absl::InvalidArgumentError("a block request without room for its status");
  }
  const BlockStatus result = Execute(chain);
  if (result != BlockStatus::kOk) counters_.errors.Add();
  const std::byte status{static_cast<uint8_t>(result)};
  CopyToChain(chain, chain.writable_size() - 1, absl::MakeConstSpan(&status, 1));
  // The status stands at the very end, so everything before it counts as written.
  return chain.writable_size();
}

BlockStatus BlockDevice::Execute(const DescriptorChain& chain) {
  BlockRequestHeader header;
  if (!CopyFromChain(chain, 0,
                     absl::MakeSpan(reinterpret_cast<std::byte*>(&header), sizeof(header)))) {
    return BlockStatus::kIoError;
  }
  const BlockRequestType type{header.type};
  switch (type) {
    case BlockRequestType::kIn:
      return ReadSectors(chain, header.sector);
    case BlockRequestType::kOut:
      return WriteSectors(chain, header.sector);
    case BlockRequestType::kFlush:
      return ToBlockStatus(SyncAll(*file_));
    case BlockRequestType::kGetId:
      return GetId(chain);
    case BlockRequestType::kDiscard:
    case BlockRequestType::kWriteZeroes:
      return ClearRanges(chain, type);
  }
  return BlockStatus::kUnsupported;
}

bool BlockDevice::IsInside(uint64_t sector, uint64_t bytes) const {
  return sector <= size_ / kSectorSize && bytes <= size_ - sector * kSectorSize;
}

BlockStatus BlockDevice::ReadSectors(const DescriptorChain& chain, uint64_t sector) {
  const uint64_t bytes = chain.writable_size() - 1;
  if (bytes % kSectorSize != 0 || !IsInside(sector, bytes)) return BlockStatus::kIoError;
  const absl::Status status = ReadAll(*file_, WritableSlice(chain, 0, bytes), sector * kSectorSize);
  if (status.ok()) counters_.bytes_read.Add(bytes);
  return ToBlockStatus(status);
}

BlockStatus BlockDevice::WriteSectors(const DescriptorChain& chain, uint64_t sector) {
  constexpr uint64_t kHeader = sizeof(BlockRequestHeader);
  const uint64_t bytes = chain.readable_size() - kHeader;
  if (read_only_ || bytes % kSectorSize != 0 || !IsInside(sector, bytes)) {
    return BlockStatus::kIoError;
  }
  const absl::Status status =
      WriteAll(*file_, ReadableSlice(chain, kHeader, bytes), sector * kSectorSize);
  if (status.ok()) counters_.bytes_written.Add(bytes);
  return FinishWrite(status);
}

// Section 5.2.6.2: without FLUSH the driver relies on writes that are stable once answered.
BlockStatus BlockDevice::FinishWrite(const absl::Status& status) {
  if (!status.ok() || (queues_.features() & kBlockFlush)) return ToBlockStatus(status);
  return ToBlockStatus(SyncAll(*file_));
}

BlockStatus BlockDevice::GetId(const DescriptorChain& chain) const {
  if (chain.writable_size() - 1 < id_.size()) return BlockStatus::kIoError;
  CopyToChain(chain, 0, id_);
  return BlockStatus::kOk;
}

BlockStatus BlockDevice::ClearRanges(const DescriptorChain& chain, BlockRequestType type) {
  const bool is_discard = type == BlockRequestType::kDiscard;
  if (!(queues_.features() & (is_discard ? kBlockDiscard : kBlockWriteZeroes))) {
    return BlockStatus::kUnsupported;
  }
  constexpr uint64_t kHeader = sizeof(BlockRequestHeader);
  const uint64_t bytes = chain.readable_size() - kHeader;
  if (bytes == 0 || bytes % sizeof(BlockRange) != 0 ||
      bytes > kMaxClearSegments * sizeof(BlockRange)) {
    return BlockStatus::kIoError;
  }
  std::array<BlockRange, kMaxClearSegments> storage;
  const auto ranges = absl::MakeSpan(storage).first(bytes / sizeof(BlockRange));
  CopyFromChain(chain, kHeader, absl::MakeSpan(reinterpret_cast<std::byte*>(ranges.data()), bytes));
  // All or nothing, as far as the driver's mistakes go.
  for (const BlockRange& range : ranges) {
    if (const BlockStatus status = CheckRange(range, type); status != BlockStatus::kOk) {
      return status;
    }
  }
  for (const BlockRange& range : ranges) {
    if (range.sectors == 0) continue;
    const uint64_t offset = range.sector * kSectorSize;
    const uint64_t size = range.sectors * kSectorSize;
    const absl::Status status =
        is_discard ? Discard(*file_, offset, size)
                   : WriteZeroes(*file_, offset, size, (range.flags & kRangeUnmap) != 0);
    if (!status.ok()) return ToBlockStatus(status);
  }
  return FinishWrite(absl::OkStatus());
}

BlockStatus BlockDevice::CheckRange(const BlockRange& range, BlockRequestType type) const {
  // Section 5.2.6.2: flags that the type does not have are unsupported, not an error.
  const bool is_discard = type == BlockRequestType::kDiscard;
  const uint32_t known_flags = is_discard ? 0 : kRangeUnmap;
  if (range.flags & ~known_flags) return BlockStatus::kUnsupported;
  const uint32_t most = is_discard ? kMaxDiscardSectors : kMaxClearSectors;
  if (range.sectors > most || !IsInside(range.sector, range.sectors * kSectorSize)) {
    return BlockStatus::kIoError;
  }
  return BlockStatus::kOk;
}

}  // namespace firn::virtio
