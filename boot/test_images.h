// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Kernel images made up for tests.
#ifndef FIRN_BOOT_TEST_IMAGES_H_
#define FIRN_BOOT_TEST_IMAGES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace firn {

using ByteVector = std::vector<std::byte>;

struct TestImage {
  uint64_t text_offset = 0;
  uint64_t image_size = 0x30000;
  uint64_t flags = 0xa;  // 4 KiB pages, anywhere in memory
  // Of the file, its header included.
  size_t size = 0x21000;
};

// An Image whose content is not regular and not all noise.
ByteVector MakeImage(const TestImage& image = {});

ByteVector Gzip(absl::Span<const std::byte> data);
ByteVector Zstd(absl::Span<const std::byte> data);
// An EFI zboot file around `payload`; `compression` is the name in its header.
ByteVector Zboot(absl::Span<const std::byte> payload, const std::string& compression);

ByteVector Concatenate(absl::Span<const std::byte> a, absl::Span<const std::byte> b);

// Writes a file of the running test; returns its path.
std::string WriteTestFile(const std::string& name, absl::Span<const std::byte> content);

}  // namespace firn

#endif  // FIRN_BOOT_TEST_IMAGES_H_
