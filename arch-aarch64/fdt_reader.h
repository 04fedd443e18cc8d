// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Looks a devicetree up, for tests.
#ifndef FIRN_ARCH_AARCH64_FDT_READER_H_
#define FIRN_ARCH_AARCH64_FDT_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace firn {

class FdtReader {
 public:
  // `blob` outlives the reader.
  explicit FdtReader(absl::Span<const std::byte> blob) : blob_(blob) {}

  // The whole structure is sound.
  bool IsValid() const;
  bool HasNode(const std::string& path) const;
  // A property's value; nothing where node or property are missing.
  std::optional<std::string> Bytes(const std::string& path, const std::string& property) const;
  // The same as big-endian 32-bit cells; nothing also where the length is not a multiple of 4.
  std::optional<std::vector<uint32_t>> Cells(const std::string& path,
                                             const std::string& property) const;
  // The same as a string (list) without the last NUL.
  std::optional<std::string> String(const std::string& path, const std::string& property) const;

 private:
  const absl::Span<const std::byte> blob_;
};

// What `dtc` says about the blob beside its output: empty for a blob without a warning. All
// checks are on.
std::string DtcComplaints(absl::Span<const std::byte> blob);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_FDT_READER_H_
