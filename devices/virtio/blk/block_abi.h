// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Numbers and layouts of the block device (virtio 1.2 section 5.2).
#ifndef FIRN_DEVICES_VIRTIO_BLK_BLOCK_ABI_H_
#define FIRN_DEVICES_VIRTIO_BLK_BLOCK_ABI_H_

#include <cstddef>
#include <cstdint>

namespace firn::virtio {

inline constexpr uint64_t kSectorSize = 512;

// Section 5.2.3: feature masks.
inline constexpr uint64_t kBlockSizeMax = uint64_t{1} << 1;
inline constexpr uint64_t kBlockSegMax = uint64_t{1} << 2;
inline constexpr uint64_t kBlockReadOnly = uint64_t{1} << 5;
inline constexpr uint64_t kBlockBlkSize = uint64_t{1} << 6;
inline constexpr uint64_t kBlockFlush = uint64_t{1} << 9;
inline constexpr uint64_t kBlockDiscard = uint64_t{1} << 13;
inline constexpr uint64_t kBlockWriteZeroes = uint64_t{1} << 14;

// Section 5.2.4: the configuration space; all of it is read-only.
struct [[gnu::packed]] BlockConfig {
  uint64_t capacity;  // sectors
  uint32_t size_max;  // bytes of a data buffer
  uint32_t seg_max;   // data buffers of a request
  uint16_t cylinders;
  uint8_t heads;
  uint8_t sectors;
  uint32_t blk_size;
  uint8_t physical_block_exp;
  uint8_t alignment_offset;
  uint16_t min_io_size;
  uint32_t opt_io_size;
  uint8_t writeback;
  uint8_t unused0;
  uint16_t num_queues;
  uint32_t max_discard_sectors;
  uint32_t max_discard_seg;
  uint32_t discard_sector_alignment;
  uint32_t max_write_zeroes_sectors;
  uint32_t max_write_zeroes_seg;
  uint8_t write_zeroes_may_unmap;
  uint8_t unused1[3];
};
static_assert(offsetof(BlockConfig, blk_size) == 20);
static_assert(offsetof(BlockConfig, max_discard_sectors) == 36);
static_assert(sizeof(BlockConfig) == 60);

// Section 5.2.6: requests. A header, data, and one status byte at the very end.
enum class BlockRequestType : uint32_t {
  kIn = 0,
  kOut = 1,
  kFlush = 4,
  kGetId = 8,
  kDiscard = 11,
  kWriteZeroes = 13,
};

struct BlockRequestHeader {
  uint32_t type;
  uint32_t reserved;
  uint64_t sector;
};
static_assert(sizeof(BlockRequestHeader) == 16);

// One range of a discard or write zeroes request.
struct BlockRange {
  uint64_t sector;
  uint32_t sectors;
  uint32_t flags;
};
static_assert(sizeof(BlockRange) == 16);
inline constexpr uint32_t kRangeUnmap = 1;

enum class BlockStatus : uint8_t {
  kOk = 0,
  kIoError = 1,
  kUnsupported = 2,
};

// Bytes that GET_ID answers with.
inline constexpr size_t kBlockIdSize = 20;

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_BLK_BLOCK_ABI_H_
