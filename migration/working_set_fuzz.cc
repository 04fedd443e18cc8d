// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any bytes as a working set, with the checksum put right so that it keeps nothing out.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/crc/crc32c.h"
#include "absl/log/check.h"
#include "migration/working_set.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kPages = 1000;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  firn::DecodeWorkingSet(bytes).status().IgnoreError();
  const auto crc = static_cast<uint32_t>(absl::ComputeCrc32c(bytes));
  bytes.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  const absl::StatusOr<firn::WorkingSet> set = firn::DecodeWorkingSet(bytes);
  if (!set.ok()) return 0;
  CHECK(firn::EncodeWorkingSet(*set) == bytes);
  if (!firn::CheckWorkingSet(*set, set->id, kPages).ok()) return 0;
  uint64_t pages = 0;
  for (const firn::PageRun& run : set->runs) {
    CHECK(run.count > 0 && run.end() <= kPages);
    pages += run.count;
  }
  CHECK(pages <= kPages);
  return 0;
}
