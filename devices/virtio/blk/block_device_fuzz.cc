// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A hostile driver of the block device, on a disk that sometimes fails.
#include <cerrno>
#include <memory>
#include <string>

#include "absl/log/globals.h"
#include "devices/virtio/blk/block_device.h"
#include "devices/virtio/blk/fake_disk_file.h"
#include "devices/virtio/testing/fuzz_virtio.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::SetMinLogLevel(absl::LogSeverityAtLeast::kFatal);
  firn::testing::FuzzInput input(data, size);
  firn::testing::FakeDisk disk;
  disk.content = std::string(64 * 512, 'd');
  const uint8_t kind = input.Take<uint8_t>();
  if (kind & 1) disk.punch_error = EOPNOTSUPP;
  if (kind & 2) disk.zero_error = EOPNOTSUPP;
  if (kind & 4) disk.most = 100;
  firn::virtio::BlockDevice device({.file = std::make_unique<firn::testing::FakeDiskFile>(disk),
                                    .size = disk.content.size(),
                                    .read_only = (kind & 8) != 0},
                                   "fuzz");
  firn::virtio::testing::FuzzVirtio(device, input, [&disk] { disk.errors.assign(2, EIO); });
  return 0;
}
