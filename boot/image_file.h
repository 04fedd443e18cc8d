// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What boot reads kernels and initrds from: a file, or bytes that stand for one in a test.
#ifndef FIRN_BOOT_IMAGE_FILE_H_
#define FIRN_BOOT_IMAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace firn {

// Thread rules: none of its own.
class ImageFile {
 public:
  virtual ~ImageFile() = default;

  // In bytes, as it was when the file was opened.
  virtual uint64_t size() const = 0;

  // Fills `data` with the bytes from `offset` on. Errors keep errno; OutOfRange where the file
  // ends before (also because somebody truncated it meanwhile), `data` is then part written.
  virtual absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> data) = 0;
};

// Opens a regular file for reading. Errors name `path` and the cause: missing, not permitted, a
// folder, a pipe or device.
absl::StatusOr<std::unique_ptr<ImageFile>> OpenImageFile(const std::string& path);

// Bytes in memory, which outlive the result.
std::unique_ptr<ImageFile> ImageFileOfBytes(absl::Span<const std::byte> bytes);

}  // namespace firn

#endif  // FIRN_BOOT_IMAGE_FILE_H_
